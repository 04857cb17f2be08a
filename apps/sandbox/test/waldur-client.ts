import type { Sandbox } from "../src/index.ts"

export interface Got {
  status: number
  headers: Headers
  text: string
  /** The body as JSON; undefined if it is not JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: the tests look into rows of any shape.
  json: any
}

/** A request to the sandbox's Waldur, below `/api/`, with the token that can see everything. */
export async function ask(sandbox: Sandbox, path: string, init: RequestInit = {}): Promise<Got> {
  const headers = { Authorization: `Token ${sandbox.waldur.tokens.staff}`, "Content-Type": "application/json" }
  const response = await fetch(new URL(path, sandbox.waldur.url), { redirect: "manual", headers, ...init })
  return got(response)
}

export function post(sandbox: Sandbox, path: string, body?: unknown): Promise<Got> {
  return ask(sandbox, path, { method: "POST", ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
}

export async function got(response: Response): Promise<Got> {
  const text = await response.text()
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {}
  return { status: response.status, headers: response.headers, text, json }
}

/** Resource uuid of a hand-written case. */
export function uuidOfCase(sandbox: Sandbox, label: string): string {
  const uuid = sandbox.world.cases.get(label)?.row.uuid
  if (typeof uuid !== "string") throw new Error(`no resource with the label ${label}`)
  return uuid
}
