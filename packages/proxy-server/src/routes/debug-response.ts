/** The response with `debug=true`: Waldur's own data, for troubleshooting. */
import { dashedUuid, Skipped, selectRows, type Warning } from "@cscs/storage-model"
import { WaldurClient, type WaldurError } from "@cscs/waldur-client"
import { Effect, Schema } from "effect"
import { type ProxySettings, Settings } from "../config/settings.ts"
import { masker, maskFound, maskValue, secretsIn } from "../observability/mask-secrets.ts"
import { guardedInWords } from "../refresh/loss-guard.ts"
import { Snapshots } from "../serving/snapshots.ts"
import { steadyMillis } from "../snapshot/steady-clock.ts"
import { Pagination, paginate } from "./pagination.ts"
import { offeringSlugsOf } from "./storage-list.ts"
import { defaultPage, defaultPageSize, type StorageQuery } from "./storage-query.ts"

const AnyObject = Schema.Record(Schema.String, Schema.Unknown)
const given = Schema.NullOr(Schema.String)
const { code: _, ...findingFields } = Skipped.fields
const { has_next: _next, ...paginationFields } = Pagination.fields
const Findings = Schema.Array(Schema.Struct(findingFields).annotate({ identifier: "Finding" }))

/** The response of `GET /api/storage-resources/?debug=true`, in the reference document's shape. */
export const DebugResponse = Schema.Struct({
  status: Schema.Literal("success"),
  debug_mode: Schema.Literal(true),
  agent_offering_config: Schema.Struct({
    uuid: given,
    api_url: Schema.String,
    backend_type: Schema.Literal("cscs-hpc-storage"),
    backend_settings: AnyObject,
    backend_components: AnyObject,
    storage_systems: Schema.Record(Schema.String, Schema.String),
  }).annotate({ identifier: "AgentOfferingConfig" }),
  waldur_offering_details: AnyObject.annotate({
    description: "The offering of storage_system, else all by slug; {error} for one that cannot be read.",
  }),
  raw_resources: Schema.Struct({
    resources: Schema.Array(Schema.Unknown),
    pagination: Schema.Struct(paginationFields).annotate({ identifier: "RawPagination" }),
    filters_applied: Schema.Struct({ storage_system: given, data_type: given, status: given, state: given }).annotate({
      identifier: "RawFiltersApplied",
    }),
  }).annotate({ identifier: "RawResources" }),
  skipped: Findings.annotate({ description: "Resources that the current snapshot skips, and why." }),
  warnings: Findings,
}).annotate({ identifier: "Debug" })

// Waldur silently truncates larger pages.
const largestPage = 300

/** Waldur's own data, read live, to compare an entry with. Secrets are masked. */
export const debugResponse = Effect.fn("debugResponse")(function* (
  query: StorageQuery,
): Effect.fn.Return<typeof DebugResponse.Type, WaldurError, Settings | WaldurClient | Snapshots> {
  const settings = yield* Settings
  const text = masker(secretsIn(settings))
  const shown = <A>(value: A) => maskValue(value, text)
  const waldur = yield* WaldurClient
  const slugs = offeringSlugsOf(settings, query.storage_system)
  const page = query.page ?? defaultPage
  const pageSize = Math.min(query.page_size ?? defaultPageSize, largestPage)
  const { raw, offerings, findings } = yield* Effect.all(
    {
      raw:
        slugs.length === 0
          ? Effect.succeed({ rows: [], total: 0 })
          : waldur.resourcePage({
              offeringSlugs: slugs,
              ...(query.state === undefined ? {} : { state: query.state }),
              page,
              pageSize,
            }),
      offerings: readOfferings(slugs),
      findings: currentFindings(text),
    },
    { concurrency: "unbounded" },
  )
  const resources = selectRows(raw.rows, {
    ...(query.data_type && { dataType: query.data_type }),
    ...(query.status && { status: query.status }),
  })
  const { has_next: _, ...pagination } = paginate(raw.total, page, pageSize)
  const [slug] = slugs
  const one = query.storage_system === undefined || slug === undefined ? undefined : offerings[slug]
  return {
    status: "success",
    debug_mode: true,
    agent_offering_config: {
      uuid: dashedUuid(one?.uuid) ?? null,
      api_url: text(waldur.apiUrl),
      backend_type: "cscs-hpc-storage",
      backend_settings: shown(settings.backend.settings),
      backend_components: shown(settings.backend.components),
      storage_systems: systemsByName(settings),
    },
    waldur_offering_details: shown(query.storage_system === undefined ? offerings : (one ?? {})),
    raw_resources: {
      resources: shown(resources),
      pagination,
      filters_applied: {
        storage_system: query.storage_system ?? null,
        data_type: query.data_type || null,
        status: query.status || null,
        state: query.state ?? null,
      },
    },
    ...findings,
  }
})

const systemsByName = (settings: ProxySettings) =>
  Object.fromEntries(settings.model.storageSystems.map(({ name, offeringSlug }) => [name, offeringSlug]))

/** Each offering by slug, with all attributes except secret ones; `{error}` for one that cannot be read. */
const readOfferings = Effect.fnUntraced(function* (
  slugs: ReadonlyArray<string>,
): Effect.fn.Return<Readonly<Record<string, Readonly<Record<string, unknown>>>>, never, WaldurClient> {
  const waldur = yield* WaldurClient
  const failed = (error: WaldurError) => Effect.succeed({ error: error.message })
  const list = yield* Effect.result(waldur.offerings())
  const details = yield* Effect.forEach(
    slugs,
    (slug) => {
      if (list._tag === "Failure") return failed(list.failure)
      const found = list.success.find((offering) => offering.slug === slug)
      if (found === undefined) return Effect.succeed({ error: `Waldur's token does not see an offering ${slug}` })
      return waldur.offering(found.uuid).pipe(
        Effect.map(({ secret_options: _, ...shown }): Readonly<Record<string, unknown>> => shown),
        Effect.catch(failed),
      )
    },
    { concurrency: "unbounded" },
  )
  return Object.fromEntries(slugs.map((slug, index) => [slug, details[index] ?? {}]))
})

/** Resources that the current snapshot skipped or warns about. Without a snapshot, a warning contains the reason. */
const currentFindings = Effect.fnUntraced(function* (text: (given: string) => string) {
  const snapshots = yield* Snapshots
  const now = yield* steadyMillis
  const shown = ({ uuid, slug, offering_slug, field, found, reason }: Skipped | Warning) => ({
    ...maskValue({ uuid, slug, offering_slug, field }, text),
    found: maskFound(field, found, text),
    reason: text(reason),
  })
  return yield* snapshots.current.pipe(
    Effect.map(({ snapshot }) => ({
      skipped: snapshot.skipped.map(shown),
      warnings: [
        ...snapshot.guarded.map((system) => ({
          uuid: null,
          slug: null,
          offering_slug: system.offeringSlug,
          field: "snapshot",
          found: system.now,
          reason: guardedInWords(system, now),
        })),
        ...snapshot.warnings.map(shown),
      ],
    })),
    Effect.catch((error) =>
      Effect.succeed({
        skipped: [],
        warnings: [
          { uuid: null, slug: null, offering_slug: null, field: "snapshot", found: null, reason: text(error.message) },
        ],
      }),
    ),
  )
})
