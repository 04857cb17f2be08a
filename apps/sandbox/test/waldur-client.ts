import type { Sandbox } from "../src/index.ts"

export interface ReadResponse {
  status: number
  headers: Headers
  text: string
  /** The body as JSON; undefined if it is not JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read rows of any shape.
  json: any
}

/** Sends a request to the mock Waldur, below `/api/`, with staff's token, which sees everything. */
export async function request(sandbox: Sandbox, path: string, init: RequestInit = {}): Promise<ReadResponse> {
  const headers = { Authorization: `Token ${sandbox.waldur.tokens.staff}`, "Content-Type": "application/json" }
  const response = await fetch(new URL(path, sandbox.waldur.url), { redirect: "manual", headers, ...init })
  return readResponse(response)
}

export function post(sandbox: Sandbox, path: string, body?: unknown): Promise<ReadResponse> {
  return request(sandbox, path, { method: "POST", ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
}

export async function readResponse(response: Response): Promise<ReadResponse> {
  const text = await response.text()
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {}
  return { status: response.status, headers: response.headers, text, json }
}

/** The uuid of a hand-written resource. */
export function uuidOfCase(sandbox: Sandbox, label: string): string {
  const uuid = sandbox.world.cases.get(label)?.row.uuid
  if (typeof uuid !== "string") throw new Error(`no resource with the label ${label}`)
  return uuid
}
