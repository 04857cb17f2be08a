import type { MiddlewareHandler } from "hono"
import { cors } from "hono/cors"
import { secureHeaders } from "hono/secure-headers"

/**
 * What browsers are told of every answer that is data: it is nothing to show, to frame, to guess a type for, or to read
 * from elsewhere. On each answer of the list as it is written: setting them afterwards would cost more than the answer.
 */
export const dataHeaders = {
  // A cache on the way may keep a 404, 405 or 410 by itself (RFC 9110 section 15.1). The list's own pages say otherwise.
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  // Another origin reads an answer where CORS lets it, and nowhere else.
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "Strict-Transport-Security": "max-age=15552000; includeSubDomains",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
} as const

/**
 * The same and more for what a browser shows: scripts and styles from here only, which the API reference needs (Swagger
 * UI sets styles in its elements, and has images in its style sheet).
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

/** For what is of the moment: a cache on the way must not answer in our place. */
export const neverStored: MiddlewareHandler = async (c, next) => {
  await next()
  c.res.headers.set("Cache-Control", "no-store")
}

/** Lets pages of the given origins read answers. Tokens travel in a header of the page's own, never as a cookie. */
export const crossOrigin = (origins: ReadonlyArray<string>): MiddlewareHandler =>
  cors({
    origin: [...origins],
    allowMethods: ["GET", "HEAD"],
    allowHeaders: ["Authorization", "Cache-Control", "If-None-Match", "traceparent", "tracestate", "X-Request-Id"],
    exposeHeaders: ["Age", "ETag", "Link", "Retry-After", "WWW-Authenticate", "X-Request-Id"],
    maxAge: 600,
  })
