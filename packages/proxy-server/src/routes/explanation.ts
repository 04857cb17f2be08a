/** The route of explanations. */
import { dashedUuid } from "@cscs/storage-model"
import { Effect } from "effect"
import { Hono } from "hono"
import { Authentication } from "../auth/authentication.ts"
import { makeSharedCalls } from "../concurrency/shared-calls.ts"
import type { ProxySettings } from "../config/settings.ts"
import { NotFound, refusal } from "../http/http-errors.ts"
import { dataHeaders } from "../http/http-headers.ts"
import { debugRoleMissing, mayDebug, requireToken } from "../http/require-token.ts"
import type { EffectRunner } from "../http/run-effect.ts"
import { explanationResponse } from "./explanation-response.ts"
import { describeExplanation } from "./storage-description.ts"

export const explanationPath = "/api/storage-resources/:uuid/explanation"

/** An explanation builds the whole tree: how many at a time, and how long a request waits for its turn. */
const explanationsAtOnce = 1
const patience = "10 seconds"

/** `GET /api/storage-resources/{uuid}/explanation`: from the rows of the last read; from Waldur if another process made it. */
export const explanation = Effect.fnUntraced(function* (settings: ProxySettings, run: EffectRunner) {
  const explained = makeSharedCalls(explanationsAtOnce, patience)
  const app = new Hono()
  if (!settings.auth.disabled) app.get(explanationPath, requireToken(run, yield* Authentication))
  return app.get(explanationPath, describeExplanation(settings), (c) => {
    if (!mayDebug(c, settings)) return run.response(c, Effect.fail(debugRoleMissing(settings)))
    const uuid = dashedUuid(c.req.param("uuid"))
    if (uuid === undefined) return refusal(new NotFound())
    const read = Effect.map(explanationResponse(uuid), (response) => response && Buffer.from(JSON.stringify(response)))
    return run.response(
      c,
      Effect.map(explained(uuid, read), (body) =>
        body === undefined
          ? refusal(new NotFound())
          : new Response(body, { headers: { ...dataHeaders, "Content-Type": "application/json" } }),
      ),
    )
  })
})
