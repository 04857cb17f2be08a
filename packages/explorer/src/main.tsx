/** The page: header, filters, one view, and the panel of the open entry. */
import { entryStatuses, waldurStates } from "@cscs/storage-model"
import { render } from "preact"
import { Notice } from "./components.tsx"
import { EntryView } from "./entry-view.tsx"
import { csvOf, jsonOf } from "./export.ts"
import { HealthView } from "./health-view.tsx"
import { ChangesView, ProblemsView, WaitingView } from "./lists-view.tsx"
import { type Filters, type View, views } from "./place.ts"
import { isFailure } from "./proxy.ts"
import { SignInView } from "./sign-in-view.tsx"
import {
  changes,
  config,
  configFailure,
  go,
  isTrouble,
  list,
  matching,
  needsToken,
  now,
  place,
  readiness,
  session,
  signOut,
  staleness,
  start,
  tree,
} from "./store.ts"
import "./style.css"
import { count, span } from "./format.ts"
import { TreeView } from "./tree-view.tsx"

const titles: Readonly<Record<View, string>> = {
  tree: "Tree",
  waiting: "Waiting",
  problems: "Problems",
  changes: "Changes",
  health: "Health",
}

/** The number on a view's tab: items that need attention. */
const badgeOf = (view: View): number => {
  const report = readiness.value
  if (view === "waiting") return tree.value.waiting.length
  if (view === "changes") return changes.value.length
  if (report === undefined || isFailure(report)) return view === "health" && report !== undefined ? 1 : 0
  if (view === "problems") return report.warnings.length + (report.snapshot?.skipped ?? 0)
  return view === "health" ? Object.values(report.upstreams).filter(({ status }) => isTrouble(status)).length : 0
}

const Tabs = () => (
  <nav aria-label="Views">
    {views.map((view) => {
      const number = badgeOf(view)
      return (
        <button
          key={view}
          type="button"
          class="tab"
          {...(place.value.view === view ? { "aria-current": "page" as const } : {})}
          onClick={() => go({ view })}
        >
          {titles[view]} {number > 0 && <span class="badge">{number}</span>}
        </button>
      )
    })}
  </nav>
)

const filter = (change: Partial<Filters>, isTyping = false) =>
  go({ filters: { ...place.value.filters, ...change } }, isTyping)

const Choice = ({ name, label, options }: { name: keyof Filters; label: string; options: ReadonlyArray<string> }) => {
  const chosen = place.value.filters[name]
  const all = options.includes(chosen) || chosen === "" ? options : [...options, chosen]
  return (
    <label>
      <span class="hidden">{label}</span>
      <select name={name} value={chosen} onChange={(event) => filter({ [name]: event.currentTarget.value })}>
        <option value="">{label}: all</option>
        {all.map((option) => (
          <option key={option} value={option}>
            {option}
          </option>
        ))}
      </select>
    </label>
  )
}

const save = (name: string, type: string, content: string) => {
  const url = URL.createObjectURL(new Blob([content], { type }))
  const link = document.createElement("a")
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 0)
}

/** A button that saves the entries that match the filters as a file. */
const Export = ({ as, type, of }: { as: string; type: string; of: (entries: typeof matching.value) => string }) => (
  <button
    type="button"
    class="small"
    onClick={() => save(`storage-entries.${as.toLowerCase()}`, type, of(matching.value))}
  >
    {as}
  </button>
)

/** The search and the filters that the view uses. */
const FilterBar = ({ view }: { view: View }) => (
  <search class="filters">
    <input
      type="search"
      aria-label="Search path, name, UUID, GID"
      placeholder="Search path, name, UUID, GID"
      value={place.value.filters.q}
      onInput={(event) => filter({ q: event.currentTarget.value }, true)}
    />
    <Choice name="storage_system" label="System" options={tree.value.systems.map(({ key }) => key)} />
    {view !== "problems" && (
      <>
        <Choice
          name="data_type"
          label="Data type"
          options={[...new Set(tree.value.systems.flatMap(({ children }) => children.map(({ name }) => name)))].sort()}
        />
        <Choice name="status" label="Status" options={entryStatuses} />
        <Choice name="state" label="Waldur state" options={waldurStates} />
        <span class="exports">
          <Export as="CSV" type="text/csv;charset=utf-8" of={csvOf} />
          <Export as="JSON" type="application/json" of={jsonOf} />
        </span>
      </>
    )}
  </search>
)

const Age = () => {
  const { etag, age, readAt, failure } = list.value
  if (etag === undefined) return null
  return (
    <span class={`age ${failure === undefined ? "" : "bad"}`}>
      {count(matching.value.length, "entry", "entries")}, {span(age + now.value - readAt)} old
    </span>
  )
}

const bodies: Readonly<Record<View, () => preact.JSX.Element>> = {
  tree: TreeView,
  waiting: WaitingView,
  problems: ProblemsView,
  changes: ChangesView,
  health: HealthView,
}

const Page = () => {
  if (config.value === undefined) {
    const failure = configFailure.value
    return (
      <main class="sign-in">
        <h1>Storage explorer</h1>
        {failure === undefined ? (
          <Notice>The explorer is starting.</Notice>
        ) : (
          <Notice kind="bad">
            {failure.what} {failure.remedy}
          </Notice>
        )}
      </main>
    )
  }
  if (needsToken.value) return <SignInView />
  const Body = bodies[place.value.view]
  const { entry, view } = place.value
  return (
    <>
      <header class="top">
        <h1>Storage explorer</h1>
        <Tabs />
        <Age />
        {session.value !== undefined && (
          <button type="button" class="small" onClick={signOut}>
            Sign out
          </button>
        )}
      </header>
      {view !== "changes" && view !== "health" && <FilterBar view={view} />}
      {staleness.value.length > 0 && (
        <Notice kind="bad">
          <strong>The list may be out of date.</strong> {staleness.value.join(" ")}
        </Notice>
      )}
      <div class={`work ${entry === "" ? "" : "beside"}`}>
        <main aria-label={titles[place.value.view]}>
          <Body />
        </main>
        {entry !== "" && <EntryView key={entry} entryKey={entry} />}
      </div>
    </>
  )
}

render(<Page />, document.getElementById("page") as HTMLElement)
void start()
