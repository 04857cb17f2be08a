import { describe, expect, test } from "vitest"
import { readOtelVariables } from "../src/telemetry/otel-variables.ts"

const read = readOtelVariables
const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c:4318/" }

/** Unknown values of variables that have a default. */
const notNeeded = {
  OTEL_TRACES_EXPORTER: "zipkin",
  OTEL_METRICS_EXPORTER: "prometheus",
  OTEL_LOGS_EXPORTER: "console",
  OTEL_PROPAGATORS: "xray",
  OTEL_TRACES_SAMPLER: "jaeger_remote",
  OTEL_TRACES_SAMPLER_ARG: "many",
  OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "grpc",
  OTEL_EXPORTER_OTLP_COMPRESSION: "br",
  OTEL_EXPORTER_OTLP_TIMEOUT: "soon",
  OTEL_EXPORTER_OTLP_HEADERS: "a b=c",
  OTEL_METRIC_EXPORT_INTERVAL: "0",
  OTEL_BSP_SCHEDULE_DELAY: "1s",
  OTEL_RESOURCE_ATTRIBUTES: "%",
}

describe("OTEL_* variables", () => {
  test("without an endpoint export nothing", () => {
    const { traces, metrics, logs } = read({ OTEL_LOGS_EXPORTER: "otlp", OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" })
    expect([traces, metrics, logs]).toEqual([undefined, undefined, undefined])
  })

  test("with a general endpoint enable traces and metrics below it, and logs on request", () => {
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

  test.each([
    ["https://c/otlp?x=1", "https://c/otlp/v1/traces?x=1"],
    ["https://c?x=/", "https://c/v1/traces?x=/"],
    ["https://c/otlp//#part", "https://c/otlp/v1/traces#part"],
  ])("with the general endpoint %s send traces to %s", (given, url) => {
    expect(read({ OTEL_EXPORTER_OTLP_ENDPOINT: given }).traces?.url).toBe(url)
  })

  test("for one signal take precedence over the general ones, and its endpoint is used unchanged", () => {
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
  ] as const)("select the sampler %s with the argument %s", (name, argument, expected) => {
    const variables = { ...endpoint, OTEL_TRACES_SAMPLER: name }
    expect(
      read(argument === undefined ? variables : { ...variables, OTEL_TRACES_SAMPLER_ARG: argument }).traces?.sampler,
    ).toEqual(expected)
  })

  test("with the service name take precedence over the attribute", () => {
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
    ["OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc", '"grpc"'],
    ["OTEL_EXPORTER_OTLP_HEADERS", "api key=s", "*** (a secret)"],
    ["OTEL_EXPORTER_OTLP_METRICS_HEADERS", "a=%", "*** (a secret)"],
    ["OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", '"zstd"'],
    ["OTEL_EXPORTER_OTLP_TIMEOUT", "10s", '"10s"'],
    ["OTEL_TRACES_SAMPLER", "jaeger_remote", '"jaeger_remote"'],
    ["OTEL_TRACES_SAMPLER_ARG", "1.1", '"1.1"'],
    ["OTEL_TRACES_SAMPLER_ARG", "-0.1", '"-0.1"'],
    ["OTEL_TRACES_SAMPLER_ARG", "half", '"half"'],
    ["OTEL_METRIC_EXPORT_INTERVAL", "1.5", '"1.5"'],
    ["OTEL_BSP_SCHEDULE_DELAY", "-1", '"-1"'],
    ["OTEL_TRACES_EXPORTER", "zipkin", '"zipkin"'],
    ["OTEL_TRACES_EXPORTER", "otlp,console", '"console"'],
    ["OTEL_METRICS_EXPORTER", "prometheus", '"prometheus"'],
    ["OTEL_LOGS_EXPORTER", "console", '"console"'],
    ["OTEL_PROPAGATORS", "tracecontext,b3", '"b3"'],
    ["OTEL_PROPAGATORS", "none", '"none"'],
    ["OTEL_RESOURCE_ATTRIBUTES", "=", '"="'],
    ["OTEL_SDK_DISABLED", "maybe", '"maybe"'],
  ])("cause a warning without secrets, with and without an endpoint, for %s=%s", (name, value, found) => {
    for (const others of [{}, endpoint]) {
      const { warnings } = read({ ...others, [name]: value })
      expect(warnings.length).toBe(1)
      expect(warnings[0]).toMatch(new RegExp(`^(${name} is|Unknown items of ${name} are) ignored: `))
      expect(warnings[0]).toContain(`found ${found}; expected `)
    }
  })

  test.each(Object.entries(notNeeded))("leave the defaults in effect for %s=%s", (name, value) => {
    const { warnings: _, ...expected } = read(endpoint)
    const { warnings, ...found } = read({ ...endpoint, [name]: value })
    expect(warnings.length).toBe(1)
    expect(found).toEqual({ ...expected, resource: { ...expected.resource, attributes: expect.anything() } })
  })

  test("keep a known exporter beside an unknown one", () => {
    const { traces, warnings } = read({ ...endpoint, OTEL_TRACES_EXPORTER: "console,otlp" })
    expect(traces).toBeDefined()
    expect(warnings).toEqual([
      'Unknown items of OTEL_TRACES_EXPORTER are ignored: found "console"; expected otlp, none',
    ])
    expect(read({ ...endpoint, OTEL_TRACES_EXPORTER: "console,none" }).traces).toBeUndefined()
    expect(read({ ...endpoint, OTEL_LOGS_EXPORTER: "console, OTLP" }).logs).toBeDefined()
  })

  test("for an invalid endpoint are used for no other", () => {
    const { traces, metrics } = read({
      ...endpoint,
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "vendor:4317",
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: "api-key=secret",
      OTEL_EXPORTER_OTLP_HEADERS: "other=secret",
      OTEL_EXPORTER_OTLP_METRICS_HEADERS: "a=%",
    })
    expect(traces).toBeUndefined()
    expect(metrics?.headers).toEqual({})
  })

  test("that are empty count as unset, without a warning", () => {
    const empty = Object.fromEntries([...Object.keys(notNeeded), "OTEL_SDK_DISABLED"].map((name) => [name, " "]))
    const { traces, metrics, logs, warnings } = read({ ...empty, ...endpoint })
    expect(warnings).toEqual([])
    expect([traces, metrics, logs]).toEqual([read(endpoint).traces, read(endpoint).metrics, undefined])
  })

  test("with valid values, as used elsewhere, cause no warning", () => {
    const usual = {
      ...endpoint,
      OTEL_TRACES_EXPORTER: "otlp",
      OTEL_PROPAGATORS: "tracecontext,baggage",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
      OTEL_TRACES_SAMPLER: "PARENTBASED_TRACEIDRATIO",
      OTEL_TRACES_SAMPLER_ARG: "1e-2",
      OTEL_RESOURCE_ATTRIBUTES: "a=b",
      OTEL_SERVICE_NAME: "x",
    }
    expect(read(usual).warnings).toEqual([])
    expect(read(usual).traces?.sampler).toEqual({ isParentBased: true, ratio: 0.01 })
  })

  test("without effect are listed once if anything is exported, without their values", () => {
    const others = { OTEL_EXPORTER_OTLP_CERTIFICATE: "/ca.pem", OTEL_BSP_MAX_QUEUE_SIZE: "7" }
    expect(read(others).warnings).toEqual([])
    expect(read({ ...endpoint, ...others }).warnings).toEqual([
      "Without effect here: OTEL_EXPORTER_OTLP_CERTIFICATE, OTEL_BSP_MAX_QUEUE_SIZE",
    ])
  })

  test("with OTEL_SDK_DISABLED export nothing, whatever the others are", () => {
    const { warnings, resource: _, ...rest } = read({ ...endpoint, OTEL_SDK_DISABLED: "True", ...notNeeded })
    expect(rest).toEqual({})
    expect(warnings).toEqual([expect.stringMatching(/^OTEL_RESOURCE_ATTRIBUTES is ignored/)])
  })

  test("never cause an error, whatever their values", () => {
    const values = [
      "%",
      "=",
      ",",
      "a=%zz",
      "-1",
      "1e999",
      "NaN",
      "null",
      "http://",
      "://",
      "é",
      "\u0000",
      "x".repeat(10_000),
    ]
    for (const name of [
      ...Object.keys(notNeeded),
      ...Object.keys(endpoint),
      "OTEL_SDK_DISABLED",
      "OTEL_SERVICE_NAME",
    ]) {
      for (const value of values) expect(read({ ...endpoint, [name]: value }).warnings.length).toBeLessThanOrEqual(1)
    }
  })
})
