/** The state of the page, and what changes it. */
import { batch, computed, effect, signal, untracked } from "@preact/signals"
import { type Change, changesBetween, changesKept } from "./changes.ts"
import { matcherOf, type Place, placeOf, queryOf } from "./place.ts"
import {
  type ExplorerConfig,
  type Failure,
  type Findings,
  isFailure,
  type Readiness,
  readConfig,
  readFindings,
  readList,
  readReadiness,
} from "./proxy.ts"
import { completeSignIn, isReturning, leaveToSignIn, leaveToSignOut, reasonOf, renew, type Session } from "./sign-in.ts"
import { branchesOf, entriesOf, growingTree, noTree, type Tree } from "./tree.ts"
import { type SeenWaiting, seenWaiting } from "./waiting.ts"

/** Milliseconds between polls. A list that is slow to read is polled less often: after its read time times this factor. */
const pollEvery = 10_000
const restFactor = 10
/** An access token is renewed after this fraction of its lifetime. While the issuer is unreachable, it retries this often. */
const renewAfter = 0.8
const renewAgainAfter = 5_000
/** Shortest and longest delay until a renewal, in milliseconds: a timer beyond 2^31 fires at once. */
const renewalBounds = [1_000, 86_400_000] as const

// The place, as in the URL.

export const place = signal<Place>(placeOf(location.search))

/** Goes to a place. Typing replaces the entry in the browser's history; everything else adds one. */
export const go = (change: Partial<Place>, isTyping = false): void => {
  place.value = { ...place.value, ...change }
  const url = `${location.pathname}${queryOf(place.value)}`
  if (isTyping) history.replaceState(null, "", url)
  else history.pushState(null, "", url)
}
addEventListener("popstate", () => {
  place.value = placeOf(location.search)
})

// The session.

export const config = signal<ExplorerConfig | undefined>(undefined)
/** A failure of the page's first request, without which nothing can be shown. */
export const configFailure = signal<Failure | undefined>(undefined)
/** From the issuer, or a pasted token. In memory only. */
export const session = signal<Session | { readonly accessToken: string; readonly isPasted: true } | undefined>(
  undefined,
)
/** Why there is no session, after a sign-in that failed or a session that ended. */
export const signedOutBecause = signal("")
export const needsToken = computed(() => config.value?.authentication === true && session.value === undefined)

const clientOf = ({ issuer, clientId }: ExplorerConfig) =>
  issuer === null || clientId === null ? undefined : { issuer, clientId }

let renewal: ReturnType<typeof setTimeout> | undefined

/** The session and its client, if the session can be renewed. */
const renewable = () => {
  const [client, current] = [config.value && clientOf(config.value), session.value]
  return client === undefined || current === undefined || "isPasted" in current ? undefined : { client, current }
}

const begin = (granted: Session) => {
  session.value = granted
  signedOutBecause.value = ""
  clearTimeout(renewal)
  if (granted.lifetime === undefined) return
  const [shortest, longest] = renewalBounds
  renewLater(Math.min(longest, Math.max(shortest, granted.lifetime * renewAfter)), Date.now() + granted.lifetime)
}
const renewLater = (delay: number, endsAt: number) => {
  renewal = setTimeout(async () => {
    const known = renewable()
    if (known === undefined) return
    const { client, current } = known
    try {
      const renewed = await renew(client, current)
      if (session.value !== current) return
      begin(renewed)
      // The account may have the missing role by now.
      if (list.value.failure !== undefined) poll.now()
    } catch (error) {
      if (session.value !== current) return
      // A refusal is final; an unreachable issuer may be back before the token expires.
      if (error instanceof TypeError && Date.now() < endsAt) renewLater(renewAgainAfter, endsAt)
      else forget(`The session has ended: ${reasonOf(error as Error)}. Sign in again.`)
    }
  }, delay)
}

/** Renews a refused token, for example after the machine slept for longer than its lifetime. @returns whether there is a new one */
const replaceRefused = async (): Promise<boolean> => {
  const known = renewable()
  if (known === undefined) return false
  const renewed = await renew(known.client, known.current).catch(() => undefined)
  if (session.value === known.current && renewed !== undefined) begin(renewed)
  return session.value !== undefined && session.value !== known.current
}

/** Drops the session and everything that was read with it. */
const forget = (why: string) => {
  clearTimeout(renewal)
  poll.stop()
  batch(() => {
    session.value = undefined
    signedOutBecause.value = why
    list.value = nothingRead
    changes.value = []
    findings.value = undefined
  })
}

export const signIn = async (): Promise<void> => {
  const client = config.value && clientOf(config.value)
  if (client === undefined) return
  await leaveToSignIn(client).catch((error: Error) => {
    signedOutBecause.value = `The issuer ${client.issuer} cannot be reached: ${error.message}. Try again later.`
  })
}
export const pasteToken = (token: string): void => {
  session.value = { accessToken: token, isPasted: true }
  signedOutBecause.value = ""
  poll.now()
}
export const signOut = async (): Promise<void> => {
  const [client, current] = [config.value && clientOf(config.value), session.value]
  forget("You are signed out.")
  if (client === undefined || current === undefined || "isPasted" in current) return
  await leaveToSignOut(client, current).catch((error: Error) => {
    signedOutBecause.value = `This page has forgotten the token, but the issuer still has a session: ${error.message}.`
  })
}
export const token = () => session.value?.accessToken

// The data.

interface List {
  readonly tree: Tree
  /** Since when each waiting entry has been seen to wait. */
  readonly waitingSince: ReadonlyMap<string, SeenWaiting>
  /** `undefined` until a whole list has arrived. */
  readonly etag: string | undefined
  /** Waldur's state by which the list is filtered. */
  readonly state: string
  /** Age of the oldest entries in milliseconds at `readAt`, in milliseconds since 1970. */
  readonly age: number
  readonly readAt: number
  /** The failure of the last attempt; the entries are older. */
  readonly failure: Failure | undefined
}
const nothingRead: List = {
  tree: noTree,
  waitingSince: new Map(),
  etag: undefined,
  state: "",
  age: 0,
  readAt: 0,
  failure: undefined,
}

export const list = signal<List>(nothingRead)
export const readiness = signal<Readiness | Failure | undefined>(undefined)
/** Newest first. */
export const changes = signal<ReadonlyArray<Change>>([])
export const findings = signal<Findings | Failure | undefined>(undefined)
/** The current time, for displayed ages. */
export const now = signal(Date.now())
setInterval(() => {
  now.value = Date.now()
}, 1000)

/** Computed apart from the place, so that a row does not render again with each letter of a search. */
export const openedKey = computed(() => place.value.entry)
const filters = computed(() => place.value.filters)
const matcher = computed(() => matcherOf(filters.value))
/** The same object after a 304, so nothing renders again. */
export const tree = computed(() => list.value.tree)
export const branches = computed(() => branchesOf(tree.value.systems, matcher.value))
/** The entries that match the filters and the search. */
export const matching = computed(() => entriesOf(branches.value))
/** The kind of each entry's newest change, by key. */
export const newest = computed(() => new Map(changes.value.toReversed().map((change) => [change.key, change.kind])))

/** Why the list may be older than it looks; empty if it is fresh. */
export const staleness = computed(() => {
  const { failure, etag } = list.value
  if (etag === undefined) return []
  const report = readiness.value
  const known = report === undefined || isFailure(report) ? undefined : report
  return [
    ...(failure === undefined ? [] : [`${failure.what} ${failure.remedy}`]),
    ...(known === undefined
      ? []
      : Object.entries(known.upstreams)
          .filter(([name, { status }]) => isListSource(name) && isTrouble(status))
          .map(
            ([name, { status, detail }]) =>
              `${upstreamNames[name] ?? name} is ${status}${detail === undefined ? "" : `: ${detail}`}.`,
          )),
  ]
})
/** Whether the list is read from an upstream; the issuer only decides who may read it. */
export const isListSource = (name: string): boolean => name !== "issuer"
/** Whether an upstream with this status does not do its work. */
export const isTrouble = (status: string): boolean => status === "failing" || status === "slow"
export const upstreamNames: Readonly<Record<string, string>> = {
  waldur: "Waldur",
  hpc_user_api: "The HPC User API",
  issuer: "The issuer",
}

const refresh = async (signal: AbortSignal, isWithNewToken = false): Promise<void> => {
  readReadiness().then((report) => {
    readiness.value = report
  })
  if (config.value === undefined || needsToken.value) return
  const { state } = place.value.filters
  const before = list.value
  const isSame = before.state === state && before.etag !== undefined
  const { add, ...growing } = growingTree(isSame ? before.tree : noTree)
  const outcome = await readList(
    { token: token(), state, etag: isSame ? (before.etag ?? "") : "", signal },
    add,
    // A partial list is shown only if there is no complete one.
    () => {
      if (!signal.aborted && !isSame) list.value = { ...nothingRead, tree: { ...growing }, state }
    },
  )
  if (signal.aborted) return
  if (isFailure(outcome)) {
    if (outcome.kind === "signed out") {
      if (!isWithNewToken && (await replaceRefused())) return refresh(signal, true)
      forget(`${outcome.what} ${outcome.remedy}`)
    } else if (isSame && outcome.kind !== "forbidden") {
      list.value = { ...before, failure: outcome }
    } else {
      batch(() => {
        list.value = { ...nothingRead, state, failure: outcome }
        if (outcome.kind === "forbidden") changes.value = []
      })
    }
    return
  }
  const readAt = Date.now()
  const known = { etag: outcome.etag, age: outcome.age, state, readAt, failure: undefined }
  if (!outcome.isChanged) {
    list.value = { ...before, ...known }
    return
  }
  const waitingSince = seenWaiting(growing.waiting, isSame ? before.waitingSince : undefined, readAt)
  batch(() => {
    if (isSame)
      changes.value = [...changesBetween(before.tree, growing, readAt), ...changes.value].slice(0, changesKept)
    list.value = { tree: growing, waitingSince, ...known }
  })
}

/** Runs one poll at a time, and schedules the next one when it ends. A hidden page does not poll. */
const poll = (() => {
  let timer: ReturnType<typeof setTimeout> | undefined
  let running: AbortController | undefined
  const stop = () => {
    clearTimeout(timer)
    running?.abort()
    running = undefined
  }
  const again = async () => {
    stop()
    if (document.hidden) return
    const mine = new AbortController()
    running = mine
    const began = performance.now()
    await refresh(mine.signal)
    // Without the role each request is refused and logged: only a new token, or the user, polls again.
    if (!mine.signal.aborted && list.value.failure?.kind !== "forbidden")
      timer = setTimeout(again, Math.max(pollEvery, restFactor * (performance.now() - began)))
  }
  return { now: () => void again(), stop }
})()
export const readAgain = poll.now

/** Reads debug mode's report, for the Problems view. */
export const readProblems = async (): Promise<void> => {
  const outcome = await readFindings(token())
  if (!needsToken.value) findings.value = outcome
}

/** Reads the configuration, completes a sign-in, and begins to poll. */
export const start = async (): Promise<void> => {
  const read = await readConfig()
  if (isFailure(read)) {
    configFailure.value = read
    setTimeout(start, pollEvery)
    return
  }
  configFailure.value = undefined
  const client = clientOf(read)
  if (client !== undefined && isReturning()) {
    await completeSignIn(client).then(begin, (error: Error) => {
      signedOutBecause.value = `The sign-in failed: ${reasonOf(error)}. Try again.`
    })
    place.value = placeOf(location.search)
  }
  config.value = read
  addEventListener("online", poll.now)
  document.addEventListener("visibilitychange", poll.now)
  // At once, and whenever the filter by Waldur's state changes.
  const wanted = computed(() => place.value.filters.state)
  effect(() => {
    wanted.value
    // The signals that a poll reads must not trigger the next one.
    untracked(poll.now)
  })
}
