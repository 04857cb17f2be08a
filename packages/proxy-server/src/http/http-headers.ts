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

/**
 * The headers of documents that a browser renders: scripts and styles only from this origin, as the API reference needs
 * them (Swagger UI sets styles on its elements and has images in its style sheet).
 */
export const documentHeaders: MiddlewareHandler = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'", "'unsafe-inline'"],
    imgSrc: ["'self'", "data:"],
    connectSrc: ["'self'"],
    frameAncestors: ["'none'"],
  },
  xFrameOptions: "DENY",
  crossOriginResourcePolicy: "same-origin",
})

/** For volatile responses: no cache may serve them. */
export const neverStored: MiddlewareHandler = async (c, next) => {
  await next()
  c.res.headers.set("Cache-Control", "no-store")
}

/** Lets pages of the given origins read responses. A page sends its token in a header, never as a cookie. */
export const crossOrigin = (origins: ReadonlyArray<string>): MiddlewareHandler =>
  cors({
    origin: [...origins],
    allowMethods: ["GET", "HEAD"],
    allowHeaders: ["Authorization", "Cache-Control", "If-None-Match", "traceparent", "tracestate", "X-Request-Id"],
    exposeHeaders: ["Age", "ETag", "Link", "Retry-After", "WWW-Authenticate", "X-Request-Id", "X-Total-Count"],
    maxAge: 600,
  })
