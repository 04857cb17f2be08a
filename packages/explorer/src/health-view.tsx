/** The age of the list and the state of the upstreams. */
import { Notice } from "./components.tsx"
import { count, span } from "./format.ts"
import { isFailure } from "./proxy.ts"
import { config, go, isListSource, isTrouble, list, now, readAgain, readiness, upstreamNames } from "./store.ts"

export const HealthView = () => {
  const report = readiness.value
  const { age, readAt, etag, tree } = list.value
  const troubles = Object.entries(report === undefined || isFailure(report) ? {} : report.upstreams)
    .filter(([, { status }]) => isTrouble(status))
    .map(([name, { status }]) => {
      const effect = isListSource(name) ? "The list may be out of date" : "Sign-ins and new tokens may be refused"
      return `${effect}: ${upstreamNames[name] ?? name} is ${status}.`
    })
  return (
    <div class="scroll">
      {report === undefined && <Notice>Loading readiness.</Notice>}
      {report !== undefined && isFailure(report) && (
        <Notice kind="bad">
          <p>{report.what}</p>
          <p>{report.remedy}</p>
        </Notice>
      )}
      {report !== undefined && !isFailure(report) && (
        <>
          <p class="summary">
            <strong>
              {report.status !== "ready"
                ? `The proxy is ${report.status}.`
                : troubles.length === 0
                  ? "The proxy is ready, and no upstream is failing."
                  : troubles.join(" ")}
            </strong>
            {report.warnings.length > 0 &&
              ` ${count(report.warnings.length, "warning is", "warnings are")} in Problems.`}
          </p>
          <dl class="health">
            <div>
              <dt>Proxy</dt>
              <dd>
                <span class={`health ${report.status === "ready" ? "ok" : "failing"}`}>{report.status}</span>, version{" "}
                {config.value?.version}
              </dd>
            </div>
            <div>
              <dt>The proxy's list</dt>
              <dd>
                {report.snapshot === null
                  ? "none yet"
                  : `${count(report.snapshot.entries, "entry", "entries")}, ${report.snapshot.skipped} skipped, ${span(report.snapshot.age * 1000)} old when checked`}
              </dd>
            </div>
            {etag !== undefined && (
              <div>
                <dt>This page's list</dt>
                <dd>
                  {count(tree.nodes.size, "entry", "entries")}, {span(age + now.value - readAt)} old, checked{" "}
                  {span(now.value - readAt)} ago{" "}
                  <button type="button" class="small" onClick={readAgain}>
                    Check now
                  </button>
                </dd>
              </div>
            )}
            {Object.entries(report.upstreams).map(([name, { status, detail, since }]) => (
              <div key={name}>
                <dt>{upstreamNames[name] ?? name}</dt>
                <dd>
                  <span class={`health ${status.replaceAll(" ", "-")}`}>{status}</span>
                  {since !== undefined && ` for ${span(now.value - Date.parse(since))}, since ${since}`}
                  {detail !== undefined && <p>{detail}</p>}
                </dd>
              </div>
            ))}
          </dl>
          {report.warnings.length > 0 && (
            <p>
              <button type="button" class="link" onClick={() => go({ view: "problems" })}>
                {count(report.warnings.length, "proxy warning", "proxy warnings")}
              </button>
            </p>
          )}
        </>
      )}
    </div>
  )
}
