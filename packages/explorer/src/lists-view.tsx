import { keyOf } from "@cscs/storage-model"
/** The views that are lists: what waits, what is wrong, what changed. */
import { useEffect } from "preact/hooks"
import type { Change } from "./changes.ts"
import { Copy, EntryLink, NoList, Notice, Status } from "./pieces.tsx"
import { type Findings, isFailure } from "./proxy.ts"
import { branches, changes, findings, go, list, now, place, readiness, readProblems } from "./store.ts"
import { waitingIn } from "./tree.ts"
import { kinds, type Waiting } from "./waiting.ts"
import { count, span, value } from "./words.ts"

/** Items of one group that are shown; the filters narrow the rest. */
const shownAtOnce = 200

const headings: Readonly<Record<(typeof kinds)[number], string>> = {
  error: "In error",
  removing: "To be removed",
  updating: "To be updated",
  pending: "To be created",
}
const within = (sentence: string): string => sentence.charAt(0).toLowerCase() + sentence.slice(1)
/** Milliseconds below which a wait that the page did not see begin says nothing. */
const tellingWait = 60_000

/** How long it has been seen to wait: the list has no time of an order. */
const HowLong = ({ of }: { of: Waiting }) => {
  const seen = list.value.waitingSince.get(keyOf(of.entry))
  const waited = now.value - (seen?.since ?? now.value)
  const words = seen?.isBeginning ? `for ${span(waited)}` : waited < tellingWait ? "" : `for at least ${span(waited)}`
  return <span class="faint">{words}</span>
}

/** How many wait for whom, the most first. */
const forWhom = (waiting: ReadonlyArray<Waiting>): string => {
  const numbers = new Map<string, number>()
  for (const { step } of waiting) numbers.set(step.by, (numbers.get(step.by) ?? 0) + 1)
  return [...numbers]
    .sort(([, a], [, b]) => b - a)
    .map(([by, number]) => `${number} for the ${by}`)
    .join(", ")
}

export const WaitingView = () => {
  const waiting = waitingIn(branches.value)
  if (list.value.etag === undefined) return <NoList />
  if (waiting.length === 0)
    return <Notice>Nothing waits: each entry that passes the filters is in its final state.</Notice>
  return (
    <div class="scroll">
      <p>
        <strong>{count(waiting.length, "entry waits", "entries wait")}:</strong> {forWhom(waiting)}.
      </p>
      <p class="faint">
        The list has no time of an order: “for at least” counts from when this page was opened, “for” from when it saw
        the wait begin.
      </p>
      {kinds.map((kind) => {
        const group = waiting.filter(({ entry }) => entry.status === kind)
        if (group.length === 0) return null
        return (
          <section key={kind}>
            <h2>
              {headings[kind]} <span class="faint">{group.length}</span>
            </h2>
            <ul class="cards waiting">
              {group.slice(0, shownAtOnce).map((one) => (
                <li key={keyOf(one.entry)}>
                  <EntryLink entry={one.entry} />
                  <span>
                    <strong>The {one.step.by}</strong> must {within(one.step.what)}.
                  </span>
                  <HowLong of={one} />
                  {one.url !== undefined && (
                    <Copy
                      text={one.url}
                      label={`the URL of the step for ${one.entry.mountPoint.default}`}
                      shown="Copy the URL"
                    />
                  )}
                </li>
              ))}
            </ul>
            <More of={group.length} />
          </section>
        )
      })}
    </div>
  )
}

const More = ({ of }: { of: number }) =>
  of > shownAtOnce ? (
    <Notice>{count(of - shownAtOnce, "more is", "more are")} not shown: use the filters or the search.</Notice>
  ) : null

export const ProblemsView = () => {
  const { etag } = list.value
  useEffect(() => void readProblems(), [etag])
  const [read, report] = [findings.value, readiness.value]
  return (
    <div class="scroll">
      {report !== undefined && !isFailure(report) && report.warnings.length > 0 && (
        <section>
          <h2>Warnings of the proxy</h2>
          <ul class="cards">
            {report.warnings.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        </section>
      )}
      {read === undefined ? (
        <Notice>Debug mode is being read.</Notice>
      ) : isFailure(read) ? (
        <Notice kind="bad">
          <p>Skipped records and warnings cannot be shown. {read.what}</p>
          <p>{read.wayOn}</p>
          <button type="button" onClick={readProblems}>
            Ask again
          </button>
        </Notice>
      ) : (
        <>
          <FindingList heading="Skipped: not in the list" of={read.skipped} />
          <FindingList heading="Served with a warning" of={read.warnings} />
          {read.skipped.length + read.warnings.length === 0 && <Notice>No record is skipped or has a warning.</Notice>}
        </>
      )}
    </div>
  )
}

const FindingList = ({ heading, of }: { heading: string; of: Findings["skipped"] }) => {
  const { storage_system, q } = place.value.filters
  const words = q.toLowerCase().split(/\s/)
  const shown = of.filter(
    (finding) =>
      (storage_system === "" || finding.offering_slug === storage_system) &&
      words.every((word) => JSON.stringify(finding).toLowerCase().includes(word)),
  )
  if (shown.length === 0) return null
  const byField = [...Map.groupBy(shown.slice(0, shownAtOnce), ({ field }) => field)]
  return (
    <section>
      <h2>
        {heading} <span class="faint">{shown.length}</span>
      </h2>
      {byField
        .sort(([, a], [, b]) => b.length - a.length)
        .map(([field, findings]) => (
          <section key={field}>
            <h3>
              Because of {field === "" ? "the record" : <code>{field}</code>}{" "}
              <span class="faint">{findings.length}</span>
            </h3>
            <ul class="cards findings">
              {findings.map(({ uuid, slug, offering_slug, found, reason }, at) => (
                <li key={at}>
                  <span>
                    <strong>{slug ?? uuid ?? "a record without a name"}</strong>{" "}
                    <span class="faint">{offering_slug}</span>
                  </span>
                  <span>
                    It is <code>{value(found)}</code>: {reason}
                  </span>
                  {uuid === null ? (
                    <span class="faint">Correct it in Waldur</span>
                  ) : (
                    <button type="button" class="link" onClick={() => go({ entry: uuid })}>
                      Explain and remedy<span class="hidden"> {slug}</span>
                    </button>
                  )}
                </li>
              ))}
            </ul>
          </section>
        ))}
      <More of={shown.length} />
    </section>
  )
}

/** The parts of a field that differ, so that one number in an object is seen. */
const leaves = ({ name, before, now }: Change["fields"][number]): Change["fields"] => {
  if (typeof before !== "object" || typeof now !== "object" || before === null || now === null)
    return [{ name, before, now }]
  const [a, b]: [Record<string, unknown>, Record<string, unknown>] = [{ ...before }, { ...now }]
  return [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .filter((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]))
    .flatMap((key) => leaves({ name: `${name}.${key}`, before: a[key], now: b[key] }))
}

export const ChangesView = () =>
  changes.value.length === 0 ? (
    <Notice>
      Nothing has changed since this page was opened. It shows a change within seconds of the proxy's refresh.
    </Notice>
  ) : (
    <div class="scroll">
      <p>
        The last {count(changes.value.length, "change", "changes")} since this page was opened, newest first.{" "}
        <button
          type="button"
          class="small"
          onClick={() => {
            changes.value = []
          }}
        >
          Mark all as seen
        </button>
      </p>
      <ul class="cards">
        {changes.value.map(({ key, kind, entry, fields, seenAt }) => (
          <li key={`${key} ${seenAt}`} class={kind}>
            <strong>{kind}</strong> <EntryLink entry={entry} /> <Status of={entry.status} />{" "}
            <span class="faint">{span(now.value - seenAt)} ago</span>
            {fields.flatMap(leaves).map(({ name, before, now }) => (
              <p key={name}>
                {name}: <del>{value(before)}</del> <ins>{value(now)}</ins>
              </p>
            ))}
          </li>
        ))}
      </ul>
    </div>
  )
