/** The panel of an entry: what it is, where each value comes from, and the next step. */
import type { Explained } from "@cscs/storage-model"
import { useSignal } from "@preact/signals"
import { useLayoutEffect, useRef } from "preact/hooks"
import { Copy, More, Notice, Quantity, Status, shownAtOnce, useReading } from "./components.tsx"
import { count, value } from "./format.ts"
import { addressOf, type EntryExplanation, explanationPath, type Failure, isFailure, readExplanation } from "./proxy.ts"
import { config, go, list, token, tree } from "./store.ts"
import { limitsOf, nameOf } from "./tree.ts"

/** Quotes a word of a shell command. */
const quoted = (word: string): string => (/^[\w./:-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

const nothingFound: EntryExplanation = { found: [], guarded: [] }

export const EntryView = ({ entryKey }: { entryKey: string }) => {
  const [uuid = "", ...path] = entryKey.split(" ")
  const mountPoint = path.join(" ")
  const entry = tree.value.nodes.get(entryKey)?.entry
  const outcome = useSignal<EntryExplanation | Failure | undefined>(undefined)
  const panel = useRef<HTMLElement>(null)
  useReading(() => {
    readExplanation(uuid, token()).then((read) => {
      outcome.value = read
    })
  }, outcome.value)
  // Takes the focus, and returns it at the end. Before the paint, which on a narrow page hides the opener, and its focus is lost.
  useLayoutEffect(() => {
    const [opened, opener] = [panel.current, document.activeElement as HTMLElement]
    opened?.focus()
    return () => {
      if (!opened?.contains(document.activeElement)) return
      const isThere = opener.isConnected && opener !== document.body
      const next = isThere ? opener : document.querySelector<HTMLElement>('[role="row"][tabindex="0"]')
      next?.focus()
    }
  }, [])

  const close = () => go({ entry: "" })
  const curl = `curl -sS ${config.value?.authentication ? '-H "Authorization: Bearer $TOKEN" ' : ""}${quoted(addressOf(explanationPath(uuid)))}`
  const explainLine = `storage-proxy explain ${quoted(mountPoint === "" ? uuid : mountPoint)}`
  const explained = outcome.value
  const { found: all, guarded } = explained === undefined || isFailure(explained) ? nothingFound : explained
  const found = all.filter(
    (one) => mountPoint === "" || one.entry === null || one.entry.mountPoint.default === mountPoint,
  )
  const known = [entry?.quotas, entry?.oldQuotas, entry?.newQuotas].flatMap((quotas) => limitsOf(quotas) ?? [])
  return (
    <aside
      class="entry"
      aria-label="Entry"
      tabIndex={-1}
      ref={panel}
      onKeyDown={(event) => event.key === "Escape" && close()}
    >
      <header>
        <h2>{entry === undefined ? (found[0]?.slug ?? uuid) : nameOf(entry)}</h2>
        <button type="button" class="small" onClick={close}>
          Close
        </button>
      </header>
      {entry === undefined ? (
        mountPoint !== "" &&
        list.value.etag !== undefined && (
          <Notice>
            This entry is not in the list{list.value.state === "" ? "" : ` of Waldur's state ${list.value.state}`}.
          </Notice>
        )
      ) : (
        <>
          <p class="path">
            <code>{entry.mountPoint.default}</code> <Copy text={entry.mountPoint.default} label="the path" />
          </p>
          <p>
            <Status of={entry.status} /> {entry.target.targetType} on {entry.storageSystem.name},{" "}
            {entry.storageDataType.key}, mode {entry.permission.value}
          </p>
          {known.length > 0 && (
            <div class="quantities">
              {(["space", "inodes"] as const).map((of) => (
                <div key={of}>
                  <span class="faint">{of}, soft / hard</span>
                  <Quantity
                    of={of}
                    entry={entry}
                    limits={limitsOf(entry.quotas)}
                    largest={Math.max(...known.map((one) => one[of === "space" ? "spaceHard" : "inodesHard"]))}
                  />
                </div>
              ))}
            </div>
          )}
        </>
      )}
      {explained === undefined && <Notice>Loading the explanation.</Notice>}
      {explained !== undefined && isFailure(explained) && (
        <Notice kind="bad">
          <p>The explanation is not available. {explained.what}</p>
          <p>{explained.remedy}</p>
        </Notice>
      )}
      {guarded.map((text) => (
        <Notice key={text}>{text}.</Notice>
      ))}
      {found.map((one, at) => (
        <Details key={at} of={one} />
      ))}
      <h3>On the command line</h3>
      <p class="command">
        <code>{curl}</code> <Copy text={curl} label="the curl command" />
      </p>
      <p class="command">
        <code>{explainLine}</code> <Copy text={explainLine} label="the explain command" />
      </p>
      {entry !== undefined && (
        <details>
          <summary>The entry as JSON</summary>
          <Copy text={JSON.stringify(entry, undefined, 2)} label="the JSON" />
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
          <pre tabIndex={0}>{JSON.stringify(entry, undefined, 2)}</pre>
        </details>
      )}
    </aside>
  )
}

const Details = ({ of }: { of: Explained }) => {
  const { kind, slug, skipped, warnings, next, notes, parents, below, entry } = of
  const urls = Object.entries(entry ?? {}).filter(([name]) => name.endsWith("_url"))
  return (
    <section>
      {kind === "resource" && slug !== null && <p class="faint">Waldur resource {slug}</p>}
      {skipped !== null && (
        <Notice kind="bad">
          <p>
            It is skipped ({skipped.code}): {skipped.field === "" ? "the record" : skipped.field} is{" "}
            {value(skipped.found)}; {skipped.reason}
          </p>
        </Notice>
      )}
      {next !== null && (
        <Notice>
          <strong>Next{next.by === "none" ? "" : `, by the ${next.by}`}:</strong> {next.what}.
        </Notice>
      )}
      {warnings.map((warning, at) => (
        <Notice key={at}>
          Warning ({warning.code}): {warning.field} is {value(warning.found)}; {warning.reason}
        </Notice>
      ))}
      {urls.map(([name, url]) => (
        <p key={name} class="command">
          <span class="faint">{name}</span> <code>{String(url)}</code> <Copy text={String(url)} label={name} />
        </p>
      ))}
      {notes.length > 0 && (
        <>
          <h3>Where each value comes from</h3>
          <dl>
            {notes.map(({ part, value: decided, from, reason }, at) => (
              <div key={at}>
                <dt>
                  {part}: <strong>{value(decided)}</strong>
                </dt>
                <dd>
                  from <code>{from}</code>: {reason}
                </dd>
              </div>
            ))}
          </dl>
        </>
      )}
      {parents.length > 0 && (
        <p class="faint">
          Below{" "}
          {parents.map((parent, at) => (
            <span key={parent.kind}>
              {at > 0 && ", "}
              <button type="button" class="link" onClick={() => go({ entry: `${parent.itemId} ${parent.mountPoint}` })}>
                {parent.kind} {parent.name}
              </button>
            </span>
          ))}
        </p>
      )}
      {below.length > 0 && (
        <details>
          <summary>{count(below.length, "record", "records")} below</summary>
          <ul>
            {below.slice(0, shownAtOnce).map(({ uuid, slug, mountPoint, status, skipped }, at) => (
              <li key={at}>
                <button
                  type="button"
                  class="link"
                  onClick={() => go({ entry: mountPoint === null ? uuid : `${uuid} ${mountPoint}` })}
                >
                  {slug}
                </button>{" "}
                {status ?? skipped}
              </li>
            ))}
          </ul>
          <More of={below.length} />
        </details>
      )}
    </section>
  )
}
