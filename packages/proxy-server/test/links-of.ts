/** The targets of a `Link` header, by relation. */
export const linksOf = (headers: Headers): Readonly<Record<string, string>> =>
  Object.fromEntries(
    (headers.get("link") ?? "").split(", ").map((one) => {
      const [, target = "", relation = ""] = /^<([^>]*)>; rel="(\w+)"$/.exec(one) ?? []
      return [relation, target]
    }),
  )

/** The snapshot that a page's own links refer to. */
export const snapshotOf = (headers: Headers): string =>
  new URL(linksOf(headers).last ?? "", "http://x").searchParams.get("snapshot") ?? ""
