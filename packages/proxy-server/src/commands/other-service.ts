/** Finds out whether the server at `waldur_api_url` is a Waldur at all, for the command `check`. */
import { makeTransport, readErrorText, urlForDisplay } from "@cscs/http-transport"
import { Effect } from "effect"
import type { ProxySettings } from "../config/settings.ts"

/** A service other than Waldur. */
export interface OtherService {
  /** Describes its response, without quoting its body. */
  readonly seen: string
  readonly advice: string
}

/** Timeout of one request in milliseconds: short, because an operator waits for it. */
const askTimeout = 10_000

/** A list that every Waldur has. Without a token it is refused, in the words of Django REST framework. */
const probed = "marketplace-provider-offerings/"

/**
 * Asks without a token what responds at Waldur's address: `undefined` if it is a Waldur, or if that cannot be
 * determined. If a Waldur may be at the root of the same host, that is asked too. Never fails.
 *
 * @param apiUrl ends in `/api/`
 */
export const otherThanWaldur = (
  { waldur: { proxy, tls }, userAgent }: ProxySettings,
  apiUrl: string,
): Effect.Effect<OtherService | undefined> =>
  Effect.gen(function* () {
    const transport = yield* makeTransport({ upstream: "waldur", baseUrl: apiUrl, proxy, tls })
    const ask = (url: string) =>
      Effect.tryPromise(async (signal) => {
        const headers = { accept: "application/json", "user-agent": userAgent }
        const response = await transport.fetch(new URL(probed, url), { redirect: "manual", headers, signal })
        return { response, text: await readErrorText(response) }
      }).pipe(
        Effect.timeout(askTimeout),
        Effect.map(({ response, text }) => kindOf(response, text)),
      )
    const found = yield* ask(apiUrl)
    if (found === "waldur" || found === undefined) return undefined
    const atRoot = new URL("/api/", apiUrl).href
    const isAtRoot =
      found.mayBeAtRoot && atRoot !== apiUrl && (yield* Effect.orElseSucceed(ask(atRoot), () => undefined)) === "waldur"
    return {
      seen: found.seen,
      advice: isAtRoot
        ? `Set waldur_api_url to ${urlForDisplay(atRoot)}: a Waldur responds there.`
        : `Correct waldur_api_url: ${found.advice}`,
    }
  }).pipe(
    Effect.scoped,
    Effect.orElseSucceed(() => undefined),
  )

/** `mayBeAtRoot`: Waldur may be at the same host without the path prefix. */
const kindOf = (
  { status, headers }: Response,
  text: string,
): "waldur" | (OtherService & { readonly mayBeAtRoot?: true }) | undefined => {
  const challenge = headers.get("www-authenticate") ?? ""
  const type = headers.get("content-type") ?? ""
  if (status >= 300 && status < 400) {
    const location = headers.get("location") ?? ""
    const to = /^https?:\/\//i.test(location) ? ` to ${urlForDisplay(location).slice(0, longestLocation)}` : ""
    return {
      seen: `it redirects${to} (${status})`,
      advice: "name the address of Waldur's API itself, not one that redirects, such as a login page's.",
    }
  }
  // A gateway may drop the header; Django REST framework's words stay.
  if (status === 401 && (/^token\b/i.test(challenge) || /authentication credentials were not provided/i.test(text))) {
    return "waldur"
  }
  if (/"error"\s*:\s*"(Unable to find matching target resource method|Realm does not exist)/.test(text)) {
    return {
      seen: `it is a Keycloak (${status})`,
      advice: "this is the address for auth.keycloak_url.",
      mayBeAtRoot: true,
    }
  }
  if (status === 401 || status === 403 || status === 407) {
    const scheme = /^[a-z]{1,20}\b/i.exec(challenge)?.[0]
    return {
      seen: `another service asks for ${scheme === undefined ? "a login" : `${scheme} credentials`} (${status})`,
      advice: "it names another service, or a gateway that does not let the proxy through.",
    }
  }
  if (status === 404) {
    return {
      seen: "nothing is there (404)",
      advice: "it is the part before /api/, such as https://waldur.example.org.",
      mayBeAtRoot: true,
    }
  }
  if (/\bhtml\b/i.test(type)) {
    return {
      seen: `it returns a web page (${status})`,
      advice: "name Waldur's API, not its web interface or a login page.",
      // A web interface returns its page for every path.
      mayBeAtRoot: true,
    }
  }
  return status < 400 && !text.trimStart().startsWith("[")
    ? { seen: `it returns something other than a list (${status})`, advice: "it names another service." }
    : undefined
}

/** Characters of a redirect's target that are shown. */
const longestLocation = 200
