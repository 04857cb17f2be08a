/** The purpose of an upstream request, in words. */
import type { Call } from "@cscs/sandbox"

/** The pages of resources with an order in progress are large and not trimmable, so every count separates them. */
export const orderedPages = "pages of resources with an order in progress"

const kinds: ReadonlyArray<readonly [RegExp, string]> = [
  [/\/marketplace-(provider-)?resources\/$/, "pages of resources"],
  [/\/marketplace-(provider-)?resources\/[^/]+\/$/, "one resource"],
  [/\/customers\/$/, "pages of customers"],
  [/\/marketplace-provider-offerings\//, "offerings"],
  [/\/marketplace-orders\//, "orders"],
  [/\/export\/waldur\/projects/, "GIDs of projects"],
  [/\/openid-connect\//, "token"],
]

/** Whether a query of the resource list selects by the order in progress. */
export const orderedQuery = (query: URLSearchParams): boolean => query.has("order_state")

export const kindOfCall = ({ method, path, query }: Call): string => {
  const kind = kinds.find(([pattern]) => pattern.test(path))?.[1] ?? path
  if (method === "HEAD") return `count of ${kind.replace("pages of ", "")}`
  return kind === "pages of resources" && orderedQuery(query) ? orderedPages : kind
}
