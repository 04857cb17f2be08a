/** Security, caching and CORS headers. */
import type { MiddlewareHandler } from "hono"
import { cors } from "hono/cors"
import { secureHeaders } from "hono/secure-headers"

/**
 * Headers of every data response: browsers must not render it, frame it, guess its type or read it from another origin.
 * Each response is created with them, because setting them afterwards would cost more than the response itself.
 */
export const dataHeaders = {
  // Shared caches may store a 404, 405 or 410 by default (RFC 9110 section 15.1). The list's pages override this.
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  // Another origin can read a response only through CORS.
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "Strict-Transport-Security": "max-age=15552000; includeSubDomains",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
} as const

/** For routes that create their responses without `dataHeaders`. */
export const asData: MiddlewareHandler = async (c, next) => {
  await next()
  for (const [name, value] of Object.entries(dataHeaders)) c.res.headers.set(name, value)
}

/**
 * The headers of a page and its files, which a browser renders: scripts and styles only from this origin.
 *
 * @param policy directives that differ
 */
export const pageHeaders = (
  policy: NonNullable<Parameters<typeof secureHeaders>[0]>["contentSecurityPolicy"] = {},
): MiddlewareHandler =>
  secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      imgSrc: ["'self'", "data:"],
      connectSrc: ["'self'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
      ...policy,
    },
    xFrameOptions: "DENY",
    crossOriginResourcePolicy: "same-origin",
    // Breaks no sign-in: the explorer goes to the issuer in the same window.
    crossOriginOpenerPolicy: "same-origin",
  })

/** Lets pages of the given origins read responses. A page sends its token in a header, never as a cookie. */
export const crossOrigin = (origins: ReadonlyArray<string>): MiddlewareHandler =>
  cors({
    origin: [...origins],
    allowMethods: ["GET", "HEAD"],
    allowHeaders: ["Authorization", "Cache-Control", "If-None-Match", "traceparent", "tracestate", "X-Request-Id"],
    exposeHeaders: ["Age", "ETag", "Link", "Retry-After", "WWW-Authenticate", "X-Request-Id", "X-Total-Count"],
    maxAge: 600,
  })
