/** The views that are lists: Waiting, Problems and Changes. */
import { keyOf } from "@cscs/storage-model"
import type { Change } from "./changes.ts"
import { Copy, EntryLink, More, NoList, NoMatch, Notice, Status, shownAtOnce, useReading } from "./components.tsx"
import { count, sentence, shortValue, span, value } from "./format.ts"
import { type Findings, isFailure } from "./proxy.ts"
import { branches, changes, findings, go, list, now, place, readiness, readProblems } from "./store.ts"
import { waitingIn } from "./tree.ts"
import { kinds, type Waiting } from "./waiting.ts"

const headings: Readonly<Record<(typeof kinds)[number], string>> = {
  error: "In error",
  removing: "To be removed",
  updating: "To be updated",
  pending: "To be created",
  active: "Active, with an order",
  removed: "Removed",
}
const within = (what: string): string => what.charAt(0).toLowerCase() + what.slice(1)
/** Milliseconds below which the observed part of a wait that began earlier is not worth showing. */
const shortWait = 60_000

/** How long the page has seen an entry wait: the list does not contain order times. */
const WaitTime = ({ of }: { of: Waiting }) => {
  const seen = list.value.waitingSince.get(keyOf(of.entry))
  const waited = now.value - (seen?.since ?? now.value)
  const words = seen?.isBeginning ? `for ${span(waited)}` : waited < shortWait ? "" : `for at least ${span(waited)}`
  return <span class="faint">{words}</span>
}

/** Groups items by a string, the largest group first. */
const grouped = <A,>(
  of: ReadonlyArray<A>,
  by: (one: A) => string,
): ReadonlyArray<readonly [string, ReadonlyArray<A>]> =>
  [...Map.groupBy(of, by)].sort(([, a], [, b]) => b.length - a.length)

export const WaitingView = () => {
  const waiting = waitingIn(branches.value)
  if (list.value.etag === undefined) return <NoList />
  if (waiting.length === 0)
    return <Notice>Nothing is waiting: every entry that matches the filters is in its final state.</Notice>
  return (
    <div class="scroll">
      <p class="summary">
        <strong>{count(waiting.length, "entry waits", "entries wait")}:</strong>{" "}
        {grouped(waiting, ({ step }) => step.by)
          .map(([by, { length }]) => `${length} for the ${by}`)
          .join(", ")}
        .{" "}
        {kinds
          .map((kind) => [kind, waiting.filter(({ entry }) => entry.status === kind).length] as const)
          .filter(([, number]) => number > 0)
          .map(([kind, number]) => `${number} ${within(headings[kind])}`)
          .join(", ")}
        .
      </p>
      <p class="faint">
        The provider accepts orders and corrects states in Waldur; the provisioner acts on the storage system, then
        reports it. Call a URL with POST and a Waldur token.
      </p>
      {kinds.map((kind) => {
        const ofKind = waiting.filter(({ entry }) => entry.status === kind)
        if (ofKind.length === 0) return null
        return (
          <section key={kind}>
            <h2>
              {headings[kind]} <span class="faint">{ofKind.length}</span>
            </h2>
            {grouped(ofKind, ({ step }) => step.what).map(([what, group]) => (
              <section key={what} class="group">
                <h3>
                  The {group[0]?.step.by} must {within(what)}. <span class="faint">{group.length}</span>
                </h3>
                <ul class="cards waiting">
                  {group.slice(0, shownAtOnce).map((one) => (
                    <WaitingCard key={keyOf(one.entry)} of={one} />
                  ))}
                </ul>
                <More of={group.length} />
              </section>
            ))}
          </section>
        )
      })}
      <p class="faint">
        “for at least” counts from when this page was opened, “for” from when it saw the wait begin: the list does not
        contain order times.
      </p>
    </div>
  )
}

const WaitingCard = ({ of }: { of: Waiting }) => {
  const { entry, callback } = of
  return (
    <li>
      <EntryLink entry={entry} />
      <WaitTime of={of} />
      {callback !== undefined && (
        <Copy
          text={entry[callback] ?? ""}
          label={`${callback} of ${entry.mountPoint.default}`}
          shown={`Copy ${callback}`}
        />
      )}
    </li>
  )
}

export const ProblemsView = () => {
  useReading(readProblems, findings.value)
  const [read, report] = [findings.value, readiness.value]
  const known = report === undefined || isFailure(report) ? undefined : report
  return (
    <div class="scroll">
      {known !== undefined && (
        <p class="summary">
          <strong>
            <a href="#skipped">{count(known.snapshot?.skipped ?? 0, "record is skipped", "records are skipped")}</a>
          </strong>{" "}
          and thus not in the list. <strong>{count(known.warnings.length, "warning", "warnings")}</strong>{" "}
          {known.warnings.length === 1 ? "concerns" : "concern"} the proxy as a whole.
          {read !== undefined && !isFailure(read) && (
            <>
              {" "}
              <a href="#warned">
                {count(read.warnings.length, "warning concerns a record", "warnings concern records")} in the list
              </a>
              .
            </>
          )}
        </p>
      )}
      {known !== undefined && known.warnings.length > 0 && (
        <section>
          <h2>
            Proxy warnings <span class="faint">{known.warnings.length}</span>
          </h2>
          <ul class="cards">
            {known.warnings.map((text) => (
              <li key={text}>{sentence(text)}</li>
            ))}
          </ul>
        </section>
      )}
      {read === undefined ? (
        <Notice>Loading skipped records and warnings.</Notice>
      ) : isFailure(read) ? (
        <Notice kind="bad">
          <p>Skipped records and warnings cannot be shown. {read.what}</p>
          <p>{read.remedy}</p>
          <button type="button" onClick={readProblems}>
            Retry
          </button>
        </Notice>
      ) : (
        <FindingLists of={read} />
      )}
    </div>
  )
}

/** The findings of the chosen system that contain each word of the search. */
const FindingLists = ({ of }: { of: Findings }) => {
  const { storage_system, q } = place.value.filters
  const words = q.toLowerCase().split(/\s/)
  const isMatch = (finding: Findings["skipped"][number]) => {
    const text = JSON.stringify(Object.values(finding)).toLowerCase()
    const isOfSystem = storage_system === "" || finding.offering_slug?.toLowerCase() === storage_system
    return isOfSystem && words.every((word) => text.includes(word))
  }
  const [skipped, warnings] = [of.skipped.filter(isMatch), of.warnings.filter(isMatch)]
  if (of.skipped.length + of.warnings.length === 0) return <Notice>No record is skipped or has a warning.</Notice>
  if (skipped.length + warnings.length === 0) return <NoMatch of="record" />
  return (
    <>
      <FindingList id="skipped" heading="Skipped: not in the list" of={skipped}>
        Each is missing from the list until its cause is fixed.
      </FindingList>
      <FindingList id="warned" heading="Served with a warning" of={warnings}>
        Each is in the list, but perhaps not as intended.
      </FindingList>
    </>
  )
}

const FindingList = ({
  id,
  heading,
  of,
  children,
}: {
  /** The target of the summary's link. */
  id: string
  heading: string
  of: Findings["skipped"]
  children: string
}) => {
  if (of.length === 0) return null
  const byField = grouped(of, ({ field }) => field || "the record")
  return (
    <section id={id}>
      <h2>
        {heading} <span class="faint">{of.length}</span>
      </h2>
      <p>
        {children} “Explain and remedy” shows what to do, and which role must do it. By field:{" "}
        {byField.map(([field, { length }]) => `${field} ${length}`).join(", ")}.
      </p>
      {byField.map(([field, group]) => (
        <section key={field} class="group">
          <h3>
            Because of <code>{field}</code> <span class="faint">{group.length}</span>
          </h3>
          <ul class="cards findings">
            {group
              .toSorted((a, b) => (a.reason < b.reason ? -1 : a.reason > b.reason ? 1 : 0))
              .slice(0, shownAtOnce)
              .map(({ uuid, slug, offering_slug, found, reason }, at) => (
                <li key={at}>
                  <span>
                    <strong>{slug ?? uuid ?? "unnamed record"}</strong> <span class="faint">{offering_slug}</span>
                  </span>
                  <code>{shortValue(found)}</code>
                  <span>{sentence(reason)}</span>
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
          <More of={group.length} />
        </section>
      ))}
    </section>
  )
}

/** The parts of a field that differ, so that a single changed number in an object stands out. */
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
      Nothing has changed since this page was opened. Changes appear within seconds of the proxy's refresh.
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
          Clear all
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
