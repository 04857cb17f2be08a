import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { onTestFinished } from "vitest"

/** The response bytes of one connection, exactly as the server wrote them. */
export interface RawResponse {
  readonly status: number
  /** Names in lowercase. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
  readonly text: string
}

export const rawResponse = (text: string): RawResponse => {
  const [head = "", ...rest] = text.split("\r\n\r\n")
  const [statusLine = "", ...lines] = head.split("\r\n")
  return {
    status: Number(statusLine.split(" ")[1]),
    headers: new Map(
      lines.map((line) => {
        const colon = line.indexOf(":")
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
      }),
    ),
    body: rest.join("\r\n\r\n"),
    text,
  }
}

/** Sends raw bytes and reads until the server closes; `fetch` would correct or refuse many of them. */
export const exchange = (url: string, bytes: string | Uint8Array): Promise<RawResponse> => {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname)
    onTestFinished(() => void socket.destroy())
    let text = ""
    socket.setEncoding("latin1").on("data", (chunk) => {
      text += chunk
    })
    // A server that refuses in the middle of a request resets what is still sent.
    socket.on("error", () => {})
    socket.once("close", () => resolve(rawResponse(text)))
    socket.write(bytes)
  })
}

/** The text of a request with `Connection: close`. */
export const request = (path: string, headers: ReadonlyArray<string> = [], method = "GET"): string =>
  [`${method} ${path} HTTP/1.1`, "Host: proxy.example.org", "Connection: close", ...headers, "", ""].join("\r\n")

/** A caller that requests the whole list a thousand times on one connection, and reads nothing. */
export const aCallerWhoDoesNotRead = async (url: string): Promise<Socket> => {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  socket.on("error", () => {})
  await once(socket, "connect")
  // More than both systems buffer. A socket without a listener is not read.
  const asking = "GET /api/storage-resources/ HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\n\r\n"
  socket.write(asking.repeat(1000))
  return socket
}
