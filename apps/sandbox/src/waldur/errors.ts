/** The mock Waldur's error responses. */
import type { Json } from "../json.ts"

/** Waldur's errors have three forms: JSON with `detail`, JSON by field, and Django's HTML pages. */
export function detail(status: number, text: string, headers: Record<string, string> = {}): Response {
  return json(status, { detail: text }, headers)
}

/** 400 `{"<field>": ["…"]}` */
export function invalidField(field: string, text: string): Response {
  return json(400, { [field]: [text] })
}

export function notFoundPage(): Response {
  return page(404, "Not Found", "The requested resource was not found on this server.")
}

export function serverErrorPage(): Response {
  return page(500, "Server Error (500)", "")
}

export function methodNotAllowed(method: string, allow: string): Response {
  return detail(405, `Method "${method}" not allowed.`, { Allow: allow })
}

export function json(status: number, value: Json, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(value), { status, headers: { "Content-Type": "application/json", ...headers } })
}

function page(status: number, title: string, text: string): Response {
  const html = `
<!doctype html>
<html lang="en">
<head>
  <title>${title}</title>
</head>
<body>
  <h1>${title}</h1><p>${text}</p>
</body>
</html>
`
  return new Response(html, { status, headers: { "Content-Type": "text/html; charset=utf-8" } })
}
