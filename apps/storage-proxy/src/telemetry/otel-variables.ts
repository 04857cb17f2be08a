/** Reads OpenTelemetry's standard variables. */
import { hostname } from "node:os"
import { proxyForDisplay, withoutTrailingSlashes } from "@cscs/http-transport"
import manifest from "../../package.json" with { type: "json" }
import type { Sampler } from "./sampling.ts"

/** Where one kind of telemetry goes, and how. */
export interface Destination {
  readonly url: string
  /** May contain secrets. */
  readonly headers: Readonly<Record<string, string>>
  readonly encoding: "protobuf" | "json"
  readonly compression: "gzip" | "none"
  /** Timeout of one delivery attempt in milliseconds. */
  readonly timeout: number
}

/** What is exported over OTLP. Absent signals are not exported. */
export interface OpenTelemetry {
  /** The OpenTelemetry resource that identifies this process. */
  readonly resource: { readonly serviceName: string; readonly attributes: Readonly<Record<string, string>> }
  /** `interval`: milliseconds between deliveries. */
  readonly traces?: Destination & { readonly sampler: Sampler; readonly interval: number }
  readonly metrics?: Destination & { readonly interval: number }
  readonly logs?: Destination
}

/**
 * Reads OpenTelemetry's environment variables
 * (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/). Effect's own layers read some of
 * them, but ignore the protocol and the sampler without a warning, crash with a stack trace on an invalid value, and
 * export nothing unless `OTEL_TRACES_EXPORTER` and the like are set.
 *
 * Traces and metrics are exported if an endpoint is set for them. Logs additionally need `OTEL_LOGS_EXPORTER=otlp`:
 * they are already on standard error, and a collector that reads them there would get them twice.
 *
 * As the specification requires, an unknown value is reported as a warning and the default applies. Endpoints have no
 * default: data meant for one destination are never sent to another. General headers do go to every endpoint, as
 * specified: give an endpoint elsewhere headers of its own.
 */
export const readOtelVariables = (
  variables: Readonly<Record<string, string>>,
): OpenTelemetry & { readonly warnings: ReadonlyArray<string> } => {
  const { read, readList, warnings, unread } = reader(variables)
  if (read("OTEL_SDK_DISABLED", flag) === true) return { resource: resourceOf(read), warnings }
  const destination = (signal: "TRACES" | "METRICS" | "LOGS", byDefault: "otlp" | "none") => {
    const exporters = readList(`OTEL_${signal}_EXPORTER`, ["otlp", "none"])
    const to = destinationOf(signal, variables, read)
    return exporters.includes("otlp") || (byDefault === "otlp" && exporters.length === 0) ? to : undefined
  }
  const traces = destination("TRACES", "otlp")
  const metrics = destination("METRICS", "otlp")
  const logs = destination("LOGS", "none")
  const sampler = samplerOf(read)
  const tracesInterval = read("OTEL_BSP_SCHEDULE_DELAY", milliseconds) ?? 5000
  const metricsInterval = read("OTEL_METRIC_EXPORT_INTERVAL", milliseconds) ?? 60_000
  // Only the trace context is propagated; a caller's baggage is ignored.
  readList("OTEL_PROPAGATORS", ["tracecontext", "baggage"])
  const resource = resourceOf(read)
  return {
    resource,
    ...(traces && { traces: { ...traces, sampler, interval: tracesInterval } }),
    ...(metrics && { metrics: { ...metrics, interval: metricsInterval } }),
    ...(logs && { logs }),
    warnings: traces || metrics || logs ? [...warnings, ...unread()] : warnings,
  }
}

/** The values that a variable accepts. */
interface Kind<A> {
  readonly allowed: string
  /** Returns `undefined` for a value that is not allowed. */
  readonly decode: (text: string) => A | undefined
  readonly isSecret?: true
}

type Read = <A>(name: string, kind: Kind<A>) => A | undefined

/** How many variables a warning names. */
const maxNames = 10

const reader = (variables: Readonly<Record<string, string>>) => {
  const warnings: Array<string> = []
  const names = new Set<string>()
  /** An empty variable counts as unset. */
  const given = (name: string): string | undefined => {
    names.add(name)
    return variables[name]?.trim() || undefined
  }
  const warn = (what: string, text: string, { allowed, isSecret }: Omit<Kind<unknown>, "decode">) => {
    const found = isSecret ? "*** (a secret)" : JSON.stringify(proxyForDisplay(text)).slice(0, 200)
    const warning = `${what} ignored: found ${found}; expected ${allowed}`
    if (!warnings.includes(warning)) warnings.push(warning)
  }
  const read: Read = (name, kind) => {
    const text = given(name)
    if (text === undefined) return undefined
    const value = kind.decode(text)
    if (value === undefined) warn(`${name} is`, text, kind)
    return value
  }
  /** The known words of a comma-separated list. */
  const readList = (name: string, known: ReadonlyArray<string>): ReadonlyArray<string> => {
    const words = (given(name) ?? "").split(",").flatMap((word) => word.trim().toLowerCase() || [])
    const unknown = words.filter((word) => !known.includes(word))
    if (unknown.length > 0) warn(`Unknown items of ${name} are`, unknown.join(","), { allowed: known.join(", ") })
    return words.filter((word) => known.includes(word))
  }
  /** Variables that are set but not supported here. */
  const unread = (): ReadonlyArray<string> => {
    const others = Object.keys(variables).filter((name) => !names.has(name))
    const shown = others.slice(0, maxNames).map((name) => name.slice(0, 100))
    return others.length === 0
      ? []
      : [`Without effect here: ${shown.join(", ")}${others.length > maxNames ? ", …" : ""}`]
  }
  return { read, readList, warnings, unread }
}

const destinationOf = (
  signal: "TRACES" | "METRICS" | "LOGS",
  variables: Readonly<Record<string, string>>,
  read: Read,
): Destination | undefined => {
  /** A signal's own variable takes precedence over the general one, even if its value is ignored. */
  const own = <A>(name: string, kind: Kind<A>) => {
    const forAll = read(`OTEL_EXPORTER_OTLP_${name}`, kind)
    const special = `OTEL_EXPORTER_OTLP_${signal}_${name}`
    const value = read(special, kind)
    return variables[special]?.trim() ? { value, isSpecial: true } : { value: forAll, isSpecial: false }
  }
  const endpoint = own("ENDPOINT", url)
  const destination = {
    headers: own("HEADERS", headers).value ?? {},
    encoding: own("PROTOCOL", protocol).value ?? "protobuf",
    compression: own("COMPRESSION", compression).value ?? "none",
    timeout: own("TIMEOUT", milliseconds).value ?? 10_000,
  } as const
  if (endpoint.value === undefined) return undefined
  if (endpoint.isSpecial) return { url: endpoint.value, ...destination }
  const to = new URL(endpoint.value)
  to.pathname = `${withoutTrailingSlashes(to.pathname)}/v1/${signal.toLowerCase()}`
  return { url: to.href, ...destination }
}

const resourceOf = (read: Read): OpenTelemetry["resource"] => {
  const { "service.name": named, ...attributes } = read("OTEL_RESOURCE_ATTRIBUTES", pairs) ?? {}
  return {
    serviceName: read("OTEL_SERVICE_NAME", text) ?? named ?? "storage-proxy",
    attributes: {
      "service.version": manifest.version,
      // Without it, the series of two replicas would be one.
      "service.instance.id": crypto.randomUUID(),
      "host.name": hostname(),
      ...attributes,
    },
  }
}

const samplerOf = (read: Read): Sampler => {
  const { isParentBased, kind } = read("OTEL_TRACES_SAMPLER", sampler) ?? { isParentBased: true, kind: "always_on" }
  const share = read("OTEL_TRACES_SAMPLER_ARG", ratio) ?? 1
  return { isParentBased, ratio: { always_on: 1, always_off: 0, traceidratio: share }[kind] }
}

const oneOf = <const A>(words: Readonly<Record<string, A>>, but = ""): Kind<A> => ({
  allowed: `one of ${Object.keys(words).join(", ")}${but}`,
  decode: (given) => (Object.hasOwn(words, given.toLowerCase()) ? words[given.toLowerCase()] : undefined),
})

const flag = oneOf({ true: true, false: false })
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

const text: Kind<string> = { allowed: "text", decode: (given) => given }

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
  // The maximum delay of Node's timers.
  decode: (given) => (/^\d+$/.test(given) && Number(given) >= 1 ? Math.min(Number(given), 2 ** 31 - 1) : undefined),
}

const ratio: Kind<number> = {
  allowed: "a number from 0 to 1",
  decode: (given) =>
    /^(\d+(\.\d*)?|\.\d+)(e-?\d{1,3})?$/i.test(given) && Number(given) <= 1 ? Number(given) : undefined,
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
      // Throws if HTTP does not allow a name or a value.
      new Headers(decoded)
      return decoded
    } catch {
      return undefined
    }
  },
}
