import type { MiddlewareHandler } from "hono"
import { cors } from "hono/cors"
import { secureHeaders } from "hono/secure-headers"

/**
 * What browsers are told of every answer: no sniffing, no framing, and scripts and styles from here only, which the API
 * reference needs (Swagger UI sets styles in its elements, and has images in its style sheet).
 */
export const securityHeaders: MiddlewareHandler = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'", "'unsafe-inline'"],
    imgSrc: ["'self'", "data:"],
    connectSrc: ["'self'"],
    frameAncestors: ["'none'"],
  },
  xFrameOptions: "DENY",
  // Another origin reads an answer where CORS lets it, and nowhere else.
  crossOriginResourcePolicy: "same-origin",
})

/** Lets pages of the given origins read answers. Tokens travel in a header of the page's own, never as a cookie. */
export const crossOrigin = (origins: ReadonlyArray<string>): MiddlewareHandler =>
  cors({
    origin: [...origins],
    allowMethods: ["GET", "HEAD"],
    allowHeaders: ["Authorization"],
    exposeHeaders: ["Link", "Retry-After", "WWW-Authenticate"],
    maxAge: 600,
  })
