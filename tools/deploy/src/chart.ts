import { execFileSync } from "node:child_process"
import { readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { KUBERNETES_VERSIONS } from "./linters.ts"
import { readYaml } from "./read-yaml.ts"

/** Runs a command to its end; what it wrote, or an error with it. */
export const said = (command: string, args: ReadonlyArray<string>, input = ""): string => {
  try {
    return execFileSync(command, args, { input, stdio: "pipe", maxBuffer: 64 * 1024 * 1024 }).toString()
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: Buffer; stderr?: Buffer }
    throw new Error(`${stdout ?? ""}${stderr ?? error}`.trim())
  }
}

/** What an installation must not be allowed to say, and the words that it is then told. */
const refusals: ReadonlyArray<readonly [arguments_: ReadonlyArray<string>, words: RegExp]> = [
  [["--set=secrets.waldurApiToken.existingSecret="], /name the Secret with Waldur's API token/],
  [["--set=config.waldur_api_token=0123"], /waldur_api_token/],
  [["--set=config.hpc_user_api.client_secret=0123"], /client_secret/],
  [["--set=config.cache.url=redis://:password@valkey:6379"], /url/],
  [["--set=env.WALDUR_API_TOKEN=0123"], /WALDUR_API_TOKEN/],
  [["--set=config.storage_systems.capstor=capstor"], /storage_systems/],
  [["--set-json=storageSystems=[]"], /storageSystems/],
  [["--set=valkey.enabled=true"], /valkey\.auth\.existingSecret/],
  [["--set=valkey.enabled=true,valkey.auth.existingSecret=a,secrets.cacheUrl.existingSecret=b"], /choose one/],
  [["--set=terminationGracePeriodSeconds=14"], /terminationGracePeriodSeconds/],
  [["--set=replicas=3"], /replicas/],
]

const render = (helm: string, chart: string, values: string, ...more: ReadonlyArray<string>) =>
  said(helm, ["template", "storage-proxy", chart, "--values", values, ...more])

/** Each of the chart's examples passes `helm lint`, and what must be refused is. Returns a line for people. */
export const lintChart = async (helm: string, chart: string): Promise<string> => {
  const examples = await readdir(join(chart, "ci"))
  for (const example of examples)
    said(helm, ["lint", "--strict", "--quiet", chart, "--values", join(chart, "ci", example)])
  for (const [more, words] of refusals) {
    let refused: string | undefined
    try {
      render(helm, chart, join(chart, "ci", "minimal.yaml"), ...more)
    } catch (error) {
      refused = String(error)
    }
    if (refused === undefined || !words.test(refused)) {
      throw new Error(`${more.join(" ")} was not refused with ${words}: ${refused ?? "it was taken"}`)
    }
  }
  const [{ appVersion } = { appVersion: "" }] = readYaml<{ appVersion: string }>(
    await readFile(join(chart, "Chart.yaml"), "utf8"),
  )
  const { version } = JSON.parse(await readFile(join(chart, "../../../apps/storage-proxy/package.json"), "utf8"))
  const note = appVersion === version ? "" : `; but its appVersion is ${appVersion}, and the app's version ${version}`
  return `${examples.join(", ")}; ${refusals.length} wrong ones refused${note}`
}

/** What the chart makes of each example is valid for Kubernetes. Returns kubeconform's own summaries. */
export const validateChart = async (
  helm: string,
  kubeconform: string,
  schemas: ReadonlyArray<string>,
  chart: string,
): Promise<string> => {
  const summaries: Array<string> = []
  for (const version of KUBERNETES_VERSIONS) {
    for (const example of await readdir(join(chart, "ci"))) {
      const objects = render(helm, chart, join(chart, "ci", example), "--kube-version", version)
      const locations = schemas.flatMap((schema) => ["-schema-location", schema])
      const flags = ["-strict", "-summary", "-kubernetes-version", version, ...locations]
      summaries.push(`${version} ${example}: ${said(kubeconform, flags, objects).trim()}`)
    }
  }
  return summaries.map((line) => line.replace(/Summary: |found parsing stdin - /g, "")).join("\n      ")
}

/** The config.yaml that the chart makes of its smallest example. */
export const configOf = async (helm: string, chart: string, scratch: string): Promise<string> => {
  const more = join(scratch, "values.yaml")
  // In an order that is not the alphabet's.
  await writeFile(
    more,
    `storageSystems: ${JSON.stringify(["vast", "capstor", "iopsstor"].map((name) => ({ name, offering: name })))}`,
  )
  interface ConfigMap {
    readonly kind: string
    readonly data: Readonly<Record<string, string>>
  }
  const config = readYaml<ConfigMap>(render(helm, chart, join(chart, "ci", "minimal.yaml"), "--values", more))
    .filter(({ kind }) => kind === "ConfigMap")
    .map(({ data }) => data["config.yaml"])
    .find((text) => text !== undefined)
  if (config === undefined) throw new Error("the chart makes no config.yaml")
  const [read] = readYaml<{ readonly storage_systems: object }>(config)
  const order = Object.keys(read?.storage_systems ?? {}).join(" ")
  if (order !== "vast capstor iopsstor") throw new Error(`the chart lost the order of the storage systems: ${order}`)
  return config
}
