import { Effect } from "effect"
import { type Context, Hono, type MiddlewareHandler } from "hono"
import { cors } from "hono/cors"
import { secureHeaders } from "hono/secure-headers"

/** Headers that are the same on every answer. */
export type ConstantHeaders = Readonly<Record<string, string>>

/**
 * What browsers are told of every answer: no sniffing, no framing, and scripts and styles from here only, which the API
 * reference needs (Swagger UI sets styles in its elements, and has images in its style sheet). Taken once from the
 * library that knows them: as a middleware it would cost a page of the list half its rate.
 */
export const securityHeaders: Effect.Effect<ConstantHeaders> = Effect.promise(async () => {
  const app = new Hono()
  app.get(
    "/",
    secureHeaders({
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
    }),
    (c) => c.body(null),
  )
  return Object.fromEntries((await app.request("/")).headers)
})

const complete = "hasAllHeaders"

/** Says that a handler's answer carries these headers already: to set one later costs more than the answer itself. */
export const hasAllHeaders = (c: Context): void => c.set(complete, true)

/** Puts headers on every answer that does not carry them yet. */
export const withHeaders = (headers: ConstantHeaders): MiddlewareHandler => {
  const list = Object.entries(headers)
  return async (c, next) => {
    await next()
    if (c.get(complete)) return
    for (const [name, value] of list) c.res.headers.set(name, value)
  }
}

/** Lets pages of the given origins read answers. Tokens travel in a header of the page's own, never as a cookie. */
export const crossOrigin = (origins: ReadonlyArray<string>): MiddlewareHandler =>
  cors({
    origin: [...origins],
    allowMethods: ["GET", "HEAD"],
    allowHeaders: ["Authorization", "Cache-Control", "If-None-Match"],
    exposeHeaders: ["Age", "ETag", "Link", "Retry-After", "WWW-Authenticate"],
    maxAge: 600,
  })
