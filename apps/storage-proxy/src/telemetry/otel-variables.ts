import { hostname } from "node:os"
import { proxyForDisplay } from "@cscs/http-transport"
import { ConfigurationInvalid, type ConfigurationProblem } from "@cscs/proxy-server"
import { Effect } from "effect"
import manifest from "../../package.json" with { type: "json" }
import type { Sampler } from "./sampling.ts"

/** Where one kind of telemetry goes, and how. */
export interface Destination {
  readonly url: string
  /** They can hold secrets. */
  readonly headers: Readonly<Record<string, string>>
  readonly encoding: "protobuf" | "json"
  readonly compression: "gzip" | "none"
  /** Milliseconds for one attempt to deliver. */
  readonly timeout: number
}

/** What goes out by OpenTelemetry's protocol; what is not there stays here. */
export interface OpenTelemetry {
  /** Who we are. */
  readonly resource: { readonly serviceName: string; readonly attributes: Readonly<Record<string, string>> }
  /** `interval`: milliseconds from one delivery to the next. */
  readonly traces?: Destination & { readonly sampler: Sampler; readonly interval: number }
  readonly metrics?: Destination & { readonly interval: number }
  readonly logs?: Destination
}

/**
 * OpenTelemetry as its variables have it (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
 * Effect's own layers read some of them; they would be silent about the protocol and the sampler, end the process with a
 * stack trace where a value cannot be, and send nothing unless `OTEL_TRACES_EXPORTER` and its like are given.
 *
 * Traces and metrics go out where there is an endpoint for them. Logs do where `OTEL_LOGS_EXPORTER` says `otlp`, too: they
 * are on standard error already, and whoever collects them there would have them twice.
 */
export const readOtelVariables = (
  variables: Readonly<Record<string, string>>,
): Effect.Effect<OpenTelemetry, ConfigurationInvalid> =>
  Effect.suspend(() => {
    const { read, problems } = reader(variables)
    if (read("OTEL_SDK_DISABLED", flag) === true) return Effect.succeed({ resource: resourceOf(read) })
    const traces = destinationOf("TRACES", "otlp", variables, read)
    const metrics = destinationOf("METRICS", "otlp", variables, read)
    const logs = destinationOf("LOGS", "none", variables, read)
    const settings = {
      resource: resourceOf(read),
      ...(traces && {
        traces: {
          ...traces,
          sampler: samplerOf(read),
          interval: read("OTEL_BSP_SCHEDULE_DELAY", milliseconds) ?? 5000,
        },
      }),
      ...(metrics && {
        metrics: { ...metrics, interval: read("OTEL_METRIC_EXPORT_INTERVAL", milliseconds) ?? 60_000 },
      }),
      ...(logs && { logs }),
    }
    return problems.length === 0 ? Effect.succeed(settings) : Effect.fail(new ConfigurationInvalid({ problems }))
  })

/** What a variable may be. */
interface Kind<A> {
  readonly allowed: string
  /** `undefined` for what is not allowed. */
  readonly decode: (text: string) => A | undefined
  readonly isSecret?: true
}

type Read = <A>(name: string, kind: Kind<A>) => A | undefined

const reader = (variables: Readonly<Record<string, string>>) => {
  const problems: Array<ConfigurationProblem> = []
  const read: Read = (name, { allowed, decode, isSecret }) => {
    const text = variables[name]
    if (text === undefined) return undefined
    const value = decode(text.trim())
    if (value === undefined && !problems.some(({ path }) => path === name)) {
      const found = isSecret ? "*** (a secret)" : JSON.stringify(proxyForDisplay(text)).slice(0, 200)
      problems.push({ path: name, source: "environment variable", found, allowed })
    }
    return value
  }
  return { read, problems }
}

const destinationOf = (
  signal: "TRACES" | "METRICS" | "LOGS",
  byDefault: "otlp" | "none",
  variables: Readonly<Record<string, string>>,
  read: Read,
): Destination | undefined => {
  /** What is said for this signal counts before what is said for all. */
  const own = <A>(name: string, kind: Kind<A>) => {
    const special = `OTEL_EXPORTER_OTLP_${signal}_${name}`
    return read(variables[special] === undefined ? `OTEL_EXPORTER_OTLP_${name}` : special, kind)
  }
  if ((read(`OTEL_${signal}_EXPORTER`, exporter) ?? byDefault) === "none") return undefined
  const all = read("OTEL_EXPORTER_OTLP_ENDPOINT", url)
  const to =
    read(`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`, url) ??
    (all === undefined ? undefined : `${all.replace(/(?<!\/)\/+$/, "")}/v1/${signal.toLowerCase()}`)
  if (to === undefined) return undefined
  return {
    url: to,
    headers: own("HEADERS", headers) ?? {},
    encoding: own("PROTOCOL", protocol) ?? "protobuf",
    compression: own("COMPRESSION", compression) ?? "none",
    timeout: own("TIMEOUT", milliseconds) ?? 10_000,
  }
}

const resourceOf = (read: Read): OpenTelemetry["resource"] => {
  const { "service.name": named, ...attributes } = read("OTEL_RESOURCE_ATTRIBUTES", pairs) ?? {}
  return {
    serviceName: read("OTEL_SERVICE_NAME", text) ?? named ?? "storage-proxy",
    attributes: {
      "service.version": manifest.version,
      // Without it the series of two replicas would be one.
      "service.instance.id": crypto.randomUUID(),
      "host.name": hostname(),
      ...attributes,
    },
  }
}

const samplerOf = (read: Read): Sampler => {
  const { isParentBased, kind } = read("OTEL_TRACES_SAMPLER", sampler) ?? { isParentBased: true, kind: "always_on" }
  if (kind !== "traceidratio") return { isParentBased, ratio: kind === "always_on" ? 1 : 0 }
  return { isParentBased, ratio: read("OTEL_TRACES_SAMPLER_ARG", ratio) ?? 1 }
}

const oneOf = <const A>(words: Readonly<Record<string, A>>, but = ""): Kind<A> => ({
  allowed: `one of: ${Object.keys(words).join(", ")}${but}`,
  decode: (given) => (Object.hasOwn(words, given.toLowerCase()) ? words[given.toLowerCase()] : undefined),
})

const flag = oneOf({ true: true, false: false })
const exporter = oneOf({ otlp: "otlp", none: "none" })
const compression = oneOf({ gzip: "gzip", none: "none" })
const protocol = oneOf(
  { "http/protobuf": "protobuf", "http/json": "json" },
  "; gRPC is not spoken, and collectors take HTTP at port 4318",
)
const sampler = oneOf({
  always_on: { isParentBased: false, kind: "always_on" },
  always_off: { isParentBased: false, kind: "always_off" },
  traceidratio: { isParentBased: false, kind: "traceidratio" },
  parentbased_always_on: { isParentBased: true, kind: "always_on" },
  parentbased_always_off: { isParentBased: true, kind: "always_off" },
  parentbased_traceidratio: { isParentBased: true, kind: "traceidratio" },
})

const text: Kind<string> = { allowed: "a text", decode: (given) => given || undefined }

const url: Kind<string> = {
  allowed: "an http:// or https:// URL without user and password, such as http://collector.example.org:4318",
  decode: (given) => {
    if (!URL.canParse(given)) return undefined
    const { protocol: scheme, username, password, hostname: host } = new URL(given)
    return /^https?:$/.test(scheme) && host !== "" && username === "" && password === "" ? given : undefined
  },
}

const milliseconds: Kind<number> = {
  allowed: "milliseconds: a whole number of at least 1",
  // Node's timers can wait no longer.
  decode: (given) => (/^\d+$/.test(given) && Number(given) >= 1 ? Math.min(Number(given), 2 ** 31 - 1) : undefined),
}

const ratio: Kind<number> = {
  allowed: "a number from 0 to 1",
  decode: (given) => (/^(\d+(\.\d*)?|\.\d+)$/.test(given) && Number(given) <= 1 ? Number(given) : undefined),
}

const pairs: Kind<Readonly<Record<string, string>>> = {
  allowed: "name=value, with commas between them and values percent-encoded",
  decode: (given) => {
    try {
      const entries = given.split(",").flatMap((pair): ReadonlyArray<readonly [string, string]> => {
        if (pair.trim() === "") return []
        const at = pair.indexOf("=")
        const name = decodeURIComponent(pair.slice(0, Math.max(at, 0)).trim())
        if (name === "") throw new TypeError("no name")
        return [[name, decodeURIComponent(pair.slice(at + 1).trim())]]
      })
      return Object.fromEntries(entries)
    } catch {
      return undefined
    }
  },
}

const headers: Kind<Readonly<Record<string, string>>> = {
  ...pairs,
  isSecret: true,
  decode: (given) => {
    try {
      const decoded = pairs.decode(given)
      // Throws where HTTP allows a name or a value not.
      new Headers(decoded)
      return decoded
    } catch {
      return undefined
    }
  },
}
