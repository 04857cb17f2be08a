/** The explanation of an entry: where it comes from, or why it is absent. */
import { type Finding, Skipped, StorageEntry } from "@cscs/storage-model"
import { Effect, Schema } from "effect"
import { Settings } from "../config/settings.ts"
import { masker, maskFound, maskValue, secretsIn } from "../observability/mask-secrets.ts"
import { explanationIn, inputOf, inputReadNow } from "../refresh/explanation.ts"
import { chunksOf, guardedInWords } from "../refresh/loss-guard.ts"
import { Snapshots } from "../serving/snapshots.ts"
import { steadyMillis } from "../snapshot/steady-clock.ts"

const given = Schema.NullOr(Schema.String)
const named = <S extends Schema.Top>(identifier: string, schema: S) => schema.annotate({ identifier })

const Parent = named(
  "ExplainedParent",
  Schema.Struct({
    kind: named("ParentKind", Schema.Literals(["tenant", "customer"])),
    itemId: Schema.String,
    name: Schema.String,
    mountPoint: Schema.String,
  }),
)
const Below = named(
  "ResourceBelow",
  Schema.Struct({ uuid: Schema.String, slug: Schema.String, mountPoint: given, status: given, skipped: given }),
)
const Decision = named(
  "Decision",
  Schema.Struct({
    part: Schema.String,
    value: Schema.NullOr(Schema.Union([Schema.String, Schema.Finite])),
    from: Schema.String.annotate({ description: "A field of Waldur's record, a setting, or another source." }),
    reason: Schema.String,
  }),
)
const CodedFinding = named("CodedFinding", Schema.Struct({ ...Skipped.fields, code: Schema.String }))
const Explained = named(
  "Explained",
  Schema.Struct({
    kind: named("ExplainedKind", Schema.Literals(["tenant", "customer", "resource"])),
    uuid: given,
    slug: given,
    offeringSlug: given,
    entry: Schema.NullOr(StorageEntry),
    parents: Schema.Array(Parent),
    below: Schema.Array(Below),
    notes: Schema.Array(Decision),
    skipped: Schema.NullOr(CodedFinding),
    warnings: Schema.Array(CodedFinding),
    next: Schema.NullOr(
      named("NextStep", Schema.Struct({ code: Schema.String, by: Schema.String, what: Schema.String })),
    ),
  }),
)

/**
 * The response: what `storage-proxy explain --json` prints, masked, without `ask` and `nearest`; with its origin and what a
 * guard holds back.
 */
export const ExplanationResponse = named(
  "Explanation",
  Schema.Struct({
    origin: named("ExplanationOrigin", Schema.Literals(["snapshot", "waldur"])).annotate({
      description:
        "`snapshot`: from the last read of this process. `waldur`: read now, because another process read the list.",
    }),
    guarded: Schema.Array(Schema.String).annotate({
      description: "Why the list still has the last good entries of a storage system instead of what is explained.",
    }),
    found: Schema.Array(Explained),
    lookedAt: named(
      "SearchedCounts",
      Schema.Struct({
        resources: Schema.Int,
        malformed: Schema.Int,
        tenants: Schema.Int,
        customers: Schema.Int,
      }),
    ),
    offerings: Schema.Array(Schema.String).annotate({ description: "Slugs of the offerings that were searched." }),
  }),
)

/**
 * The whole explanation of a resource, customer or offering; `undefined` if nothing has the UUID. Nothing is found, but the
 * guard named, for an entry that only a guard still lists.
 */
export const explanationResponse = Effect.fn("explanationResponse")(function* (uuid: string) {
  const settings = yield* Settings
  const last = (yield* Snapshots).lastRead()
  const held = yield* inputOf(last)
  const explanation = yield* explanationIn(held ?? (yield* Effect.scoped(inputReadNow(last?.taken.snapshot))), uuid)
  const offerings = new Set(explanation.found.map(({ offeringSlug }) => offeringSlug))
  const { guarded = [], entries } = last?.taken.snapshot ?? {}
  // Waldur may no longer show an entry that a guard keeps in the list. Only the first of a chunk is a tenant or customer.
  const begin = Buffer.from(`{"itemId":"${uuid}"`)
  const isKept = (offeringSlug: string) =>
    chunksOf(entries?.chunks ?? [], offeringSlug).some(
      ({ bytes, resources }) => resources.includes(uuid) || bytes.subarray(0, begin.length).equals(begin),
    )
  const concerned = guarded.filter(({ offeringSlug }) => offerings.has(offeringSlug) || isKept(offeringSlug))
  if (offerings.size + concerned.length === 0) return undefined
  const text = masker(secretsIn(settings))
  const shown = <A extends Finding<string>>(finding: A): A => ({
    ...finding,
    found: maskFound(finding.field, finding.found, text),
    reason: text(finding.reason),
  })
  const now = yield* steadyMillis
  return {
    origin: held === undefined ? "waldur" : "snapshot",
    guarded: concerned.map((system) => guardedInWords(system, now)),
    found: explanation.found.map((one) => ({
      ...one,
      notes: maskValue(one.notes, text),
      skipped: one.skipped && shown(one.skipped),
      warnings: one.warnings.map(shown),
      // It quotes the same finding.
      next: one.next && { ...one.next, what: text(one.next.what) },
    })),
    lookedAt: explanation.lookedAt,
    offerings: explanation.offerings,
  } satisfies typeof ExplanationResponse.Type
})
