import { Effect } from "effect"
import { describe, expect, test } from "vitest"
import { readOtelVariables } from "../src/telemetry/otel-variables.ts"

const read = (variables: Record<string, string>) => Effect.runSync(readOtelVariables(variables))
const problemsOf = (variables: Record<string, string>) =>
  Effect.runSync(Effect.flip(readOtelVariables(variables))).problems.map(({ path, found }) => `${path}: ${found}`)
const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318/" }

describe("OTEL_* variables", () => {
  test("without an endpoint nothing goes out", () => {
    const { traces, metrics, logs } = read({ OTEL_LOGS_EXPORTER: "otlp", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" })
    expect([traces, metrics, logs]).toEqual([undefined, undefined, undefined])
  })

  test("an endpoint for all has traces and metrics below it, and logs where they are asked for", () => {
    const { traces, metrics, logs, resource } = read(endpoint)
    expect(traces).toEqual({
      url: "http://c:4318/v1/traces",
      headers: {},
      encoding: "protobuf",
      compression: "none",
      timeout: 10_000,
      sampler: { isParentBased: true, ratio: 1 },
      interval: 5000,
    })
    expect(metrics).toMatchObject({ url: "http://c:4318/v1/metrics", interval: 60_000 })
    expect(logs).toBeUndefined()
    expect(resource.serviceName).toBe("storage-proxy")
    expect(read({ ...endpoint, OTEL_LOGS_EXPORTER: "otlp" }).logs?.url).toBe("http://c:4318/v1/logs")
  })

  test("what is said for one kind counts before what is said for all, and its endpoint is taken as it is", () => {
    const { traces, metrics } = read({
      ...endpoint,
      OTEL_EXPORTER_OTLP_HEADERS: "a=1,b=x%20y=,",
      OTEL_EXPORTER_OTLP_TIMEOUT: "100",
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://t/intake",
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: "x-sentry-auth=sentry sentry_key=k",
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: "200",
    })
    expect(traces).toMatchObject({ url: "https://t/intake", encoding: "json", timeout: 100 })
    expect(traces?.headers).toEqual({ "x-sentry-auth": "sentry sentry_key=k" })
    expect(metrics).toMatchObject({ encoding: "protobuf", timeout: 200, headers: { a: "1", b: "x y=" } })
  })

  test.each([
    ["always_on", undefined, { isParentBased: false, ratio: 1 }],
    ["always_off", "1", { isParentBased: false, ratio: 0 }],
    ["traceidratio", "0.25", { isParentBased: false, ratio: 0.25 }],
    ["traceidratio", undefined, { isParentBased: false, ratio: 1 }],
    ["parentbased_always_off", undefined, { isParentBased: true, ratio: 0 }],
    ["parentbased_traceidratio", "0.5", { isParentBased: true, ratio: 0.5 }],
  ] as const)("the sampler %s with %s", (name, argument, expected) => {
    const variables = { ...endpoint, OTEL_TRACES_SAMPLER: name }
    expect(
      read(argument === undefined ? variables : { ...variables, OTEL_TRACES_SAMPLER_ARG: argument }).traces?.sampler,
    ).toEqual(expected)
  })

  test("the name of the service counts before the attribute", () => {
    const attributes = { ...endpoint, OTEL_RESOURCE_ATTRIBUTES: "service.name=a,service.version=2,k8s.pod.name=p" }
    expect(read(attributes).resource).toMatchObject({
      serviceName: "a",
      attributes: { "service.version": "2", "k8s.pod.name": "p" },
    })
    expect(read({ ...attributes, OTEL_SERVICE_NAME: "b" }).resource.serviceName).toBe("b")
  })

  test.each([
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", '"collector:4318"'],
    ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://c", '"ftp://c"'],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "http://u:p/w@c", '"http://***@c"'],
    ["OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", '"grpc"'],
    ["OTEL_EXPORTER_OTLP_HEADERS", "api key=s", "*** (a secret)"],
    ["OTEL_EXPORTER_OTLP_METRICS_HEADERS", "a=%", "*** (a secret)"],
    ["OTEL_TRACES_SAMPLER", "jaeger_remote", '"jaeger_remote"'],
    ["OTEL_METRIC_EXPORT_INTERVAL", "1.5", '"1.5"'],
    ["OTEL_TRACES_EXPORTER", "zipkin", '"zipkin"'],
    ["OTEL_SDK_DISABLED", "maybe", '"maybe"'],
  ])("%s=%s is an error that shows no secret", (name, value, found) => {
    expect(problemsOf({ ...endpoint, [name]: value })).toEqual([`${name}: ${found}`])
  })

  test("a share that is none", () => {
    for (const value of ["1.1", "-0.1", "half", ""]) {
      const variables = { ...endpoint, OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: value }
      expect(problemsOf(variables).length).toBe(1)
    }
  })
})
