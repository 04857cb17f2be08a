import { Effect, Tracer } from "effect"
import { expect, test } from "vitest"
import { type Sampler, sampled } from "../src/telemetry/sampling.ts"

const spanOf = (sampler: Sampler, parent?: Tracer.AnySpan) =>
  Effect.makeSpan("outer", parent === undefined ? { root: true } : { parent }).pipe(
    Effect.flatMap((outer) => Effect.map(Effect.makeSpan("inner", { parent: outer }), (inner) => ({ outer, inner }))),
    Effect.withTracer(sampled(Tracer.make({ span: (options) => new Tracer.NativeSpan(options) }), sampler)),
    Effect.runSync,
  )
const remote = (isSampled: boolean, random = "00000000000000") =>
  Tracer.externalSpan({ traceId: `0af7651916cd43dd84${random}`, spanId: "b7ad6b7169203331", sampled: isSampled })

test.each([0, 1, 0.25])("the sampler keeps a share of %f of the traces, and each as a whole", (ratio) => {
  const spans = Array.from({ length: 2000 }, () => spanOf({ ratio, isParentBased: true }))
  expect(spans.every(({ outer, inner }) => outer.sampled === inner.sampled && outer.traceId === inner.traceId)).toBe(
    true,
  )
  const share = spans.filter(({ outer }) => outer.sampled).length / spans.length
  expect(Math.abs(share - ratio)).toBeLessThan(0.06)
})

test("a caller's decision applies if the sampler respects it", () => {
  expect(spanOf({ ratio: 0, isParentBased: true }, remote(true)).inner.sampled).toBe(true)
  expect(spanOf({ ratio: 1, isParentBased: true }, remote(false)).inner.sampled).toBe(false)
  expect(spanOf({ ratio: 0, isParentBased: false }, remote(true)).inner.sampled).toBe(false)
  expect(spanOf({ ratio: 1, isParentBased: false }, remote(false)).inner.sampled).toBe(true)
})

test("the sampler decides by the trace's ID, like other participants", () => {
  const sampler = { ratio: 0.5, isParentBased: false }
  expect(spanOf(sampler, remote(true, "07ffffffffffff")).outer.sampled).toBe(false)
  expect(spanOf(sampler, remote(true, "08000000000000")).outer.sampled).toBe(true)
})
