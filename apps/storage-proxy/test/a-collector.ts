import { createServer, type IncomingHttpHeaders } from "node:http"
import type { AddressInfo } from "node:net"
import { gunzipSync } from "node:zlib"
import { onTestFinished } from "vitest"
import { until } from "./a-process.ts"

export interface Delivered {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** Decompressed. */
  readonly body: Buffer
}

/** Receives what is posted, like collectors and Sentry. It ends with the test. */
export const aCollector = async (behaviour: { status?: number; hang?: boolean } = {}) => {
  const delivered: Array<Delivered> = []
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk) => chunks.push(chunk))
    request.on("end", () => {
      const raw = Buffer.concat(chunks)
      const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw
      delivered.push({ path: request.url ?? "", headers: request.headers, body })
      if (behaviour.hang !== true)
        response.writeHead(behaviour.status ?? 200, { "Content-Type": "application/json" }).end("{}")
    })
  })
  server.listen(0, "127.0.0.1")
  await until(() => server.listening)
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    host: `127.0.0.1:${port}`,
    delivered,
    /** The bodies posted to a path, as JSON. */
    at: <A>(path: string): ReadonlyArray<A> =>
      delivered.filter((one) => one.path.startsWith(path)).map(({ body }) => JSON.parse(body.toString()) as A),
    /** Everything received, as text. */
    all: () => delivered.map(({ path, headers, body }) => `${path}\n${JSON.stringify(headers)}\n${body}`).join("\n\n"),
  }
}

interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue?: string; readonly intValue?: number }
}
interface Resource {
  readonly attributes: ReadonlyArray<Attribute>
}
export interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly attributes: ReadonlyArray<Attribute>
}
export interface Traces {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: Resource
    readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<Span> }>
  }>
}
interface Point {
  readonly attributes: ReadonlyArray<Attribute>
  readonly asDouble?: number
}
interface Metric {
  readonly name: string
  readonly unit: string
  readonly gauge?: { readonly dataPoints: ReadonlyArray<Point> }
  readonly sum?: { readonly dataPoints: ReadonlyArray<Point> }
}
export interface Metrics {
  readonly resourceMetrics: ReadonlyArray<{
    readonly resource: Resource
    readonly scopeMetrics: ReadonlyArray<{ readonly metrics: ReadonlyArray<Metric> }>
  }>
}

export const spansOf = (deliveries: ReadonlyArray<Traces>) =>
  deliveries.flatMap(({ resourceSpans }) =>
    resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
  )
export const metricsOf = (deliveries: ReadonlyArray<Metrics>) =>
  deliveries.flatMap(({ resourceMetrics }) =>
    resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics)),
  )
export const attributesOf = ({ attributes }: { readonly attributes: ReadonlyArray<Attribute> }) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]))
