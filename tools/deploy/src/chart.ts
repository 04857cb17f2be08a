/** Checks of the Helm charts. */
import { readdir, readFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { run } from "@cscs/harness"
import { KUBERNETES_VERSIONS, kubeconform, kubernetesSchemas, operatorSchemas } from "./linters.ts"
import { readYaml } from "./read-yaml.ts"

/** The cases of a chart in chart-cases.yaml. */
interface Cases {
  readonly refused: ReadonlyArray<{ readonly values: object; readonly error: string }>
  readonly rendered: ReadonlyArray<{
    readonly example: string
    readonly values?: object
    readonly has?: ReadonlyArray<string>
    readonly hasNot?: ReadonlyArray<string>
  }>
}

/** Renders the manifests of one of the chart's examples, with these values over it. */
const render = (helm: string, chart: string, example: string, values: object = {}, ...flags: ReadonlyArray<string>) => {
  const files = ["--values", join(chart, "ci", example), "--values", "-"]
  return run(helm, ["template", basename(chart), chart, ...files, ...flags], { input: JSON.stringify(values) })
}

/**
 * Checks that each of the chart's examples passes `helm lint`, that invalid values are rejected, and that values appear in
 * the right places. Returns a summary line.
 */
export const lintChart = async (helm: string, chart: string): Promise<string> => {
  const examples = await readdir(join(chart, "ci"))
  for (const example of examples) {
    await run(helm, ["lint", "--strict", "--quiet", chart, "--values", join(chart, "ci", example)])
  }
  const [cases] = readYaml(await readFile(new URL("chart-cases.yaml", import.meta.url), "utf8"))
  const { refused, rendered }: Cases = cases[basename(chart)]
  for (const { values, error } of refused) {
    const found = await render(helm, chart, "minimal.yaml", values).then(
      () => "it was accepted",
      ({ message }: Error) => message.slice(message.indexOf("\n")),
    )
    // safe-regex: the pattern comes from our own table
    if (!new RegExp(error).test(found)) throw new Error(`${JSON.stringify(values)}: expected ${error}, found ${found}`)
  }
  for (const { example, values, has = [], hasNot = [] } of rendered) {
    const made = await render(helm, chart, example, values)
    const wrong = [...has.filter((words) => !made.includes(words)), ...hasNot.filter((words) => made.includes(words))]
    if (wrong.length > 0) throw new Error(`${example} with ${JSON.stringify(values)}: wrong ${JSON.stringify(wrong)}`)
  }
  return `${examples.join(", ")}; ${rendered.length} renderings; ${refused.length} invalid values rejected`
}

/** Validates each example's manifests for Kubernetes and the Prometheus operator. Returns a summary line. */
export const validateChart = async (helm: string, chart: string) => {
  const command = await kubeconform()
  const [kubernetes, operator] = [await kubernetesSchemas(), await operatorSchemas()]
  const examples = await readdir(join(chart, "ci"))
  const folders = [`${kubernetes}/{{.NormalizedKubernetesVersion}}-local{{.StrictSuffix}}`, operator]
  const schemas = folders.flatMap((folder) => ["-schema-location", `${folder}/{{.ResourceKind}}{{.KindSuffix}}.json`])
  for (const version of KUBERNETES_VERSIONS) {
    const flags = ["-strict", "-kubernetes-version", version, ...schemas]
    for (const example of examples) {
      await run(command, flags, { input: await render(helm, chart, example, {}, "--kube-version", version) })
    }
  }
  return `${examples.join(", ")} for ${KUBERNETES_VERSIONS.join(" and ")}`
}

/** The command of the pod for `helm test`, without the URL at its end. */
export const testCommandOf = async (helm: string, chart: string): Promise<ReadonlyArray<string>> => {
  const objects = readYaml(await render(helm, chart, "minimal.yaml"))
  const command: ReadonlyArray<string> = objects.find(({ kind }) => kind === "Pod")?.spec.containers[0].command ?? []
  const [url] = command.slice(-1)
  if (url !== "http://storage-proxy:80/healthz/ready") throw new Error(`the pod for helm test requests ${url}`)
  return command.slice(0, -1)
}

/** The config.yaml of the chart's smallest example, with storage systems that are not in alphabetical order. */
export const configOf = async (helm: string, chart: string): Promise<string> => {
  const systems = ["vast", "capstor", "iopsstor"]
  const storageSystems = systems.map((name) => ({ name, offering: name }))
  const objects = readYaml(await render(helm, chart, "minimal.yaml", { storageSystems }))
  const config: string | undefined = objects.flatMap(({ data }) => data?.["config.yaml"] ?? [])[0]
  if (config === undefined) throw new Error("the chart renders no config.yaml")
  const order = Object.keys(readYaml(config)[0].storage_systems)
  if (order.join() !== systems.join()) throw new Error(`the chart reorders the storage systems: ${order}`)
  return config
}
