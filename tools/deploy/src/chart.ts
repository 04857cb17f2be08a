import { readdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { run } from "@cscs/harness"
import { KUBERNETES_VERSIONS } from "./linters.ts"
import { readYaml } from "./read-yaml.ts"

/** Invalid values, and the expected error messages. */
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
  [["--set=config.waldur_apy_url=https://waldur.example.org"], /waldur_apy_url/],
  [["--set=config.cache.fresh_vor=10s"], /fresh_vor/],
  [["--set=config.cache.fresh_for=soon"], /fresh_for/],
  [["--set=config.auth.mode=jvt"], /mode/],
  [["--set=config.sentry.dsn=https://key@sentry.example.org/1"], /dsn/],
  [["--set=config.backend_settings.hpc_user_client_secret=0123"], /hpc_user_client_secret/],
  [["--set=extraEnv[0].name=WALDUR_API_TOKEN,extraEnv[0].value=0123"], /extraEnv/],
  [["--set=host=everywhere"], /host/],
  [
    ['--set-json=extraObjects=[{"apiVersion":"v1","kind":"Secret","stringData":{"a":"0123"}}]'],
    /values are not secret/,
  ],
  [['--set-json=extraObjects=["kind: {{ print `Secret` }}"]'], /values are not secret/],
  [['--set-json=extraObjects=["a: ["]'], /extraObjects\[0\] is not one object/],
  [['--set-json=extraObjects=[{"metadata":{"name":"a"}}]'], /extraObjects\[0\] is not one object/],
  [['--set-json=networkPolicy={"enabled":true,"egress":[{"ports":[{"port":80}]}]}'], /nothing out at port 443, which /],
  [
    [
      '--set-json=networkPolicy={"enabled":true,"egress":[{"ports":[{"port":443}]}]}',
      "--set=env.OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318",
    ],
    /nothing out at port 4318, which env\.OTEL_EXPORTER_OTLP_ENDPOINT/,
  ],
]

/** Values, and what their manifests must (or, with `!`, must not) contain. */
const renderings: ReadonlyArray<readonly [values: string, more: ReadonlyArray<string>, words: ReadonlyArray<string>]> =
  [
    ["minimal.yaml", [], ["runAsUser: 10001", "fsGroupChangePolicy: OnRootMismatch", '--host, "::"', "emptyDir:"]],
    ["minimal.yaml", ["--set=podSecurityContext.runAsUser=null"], ["!runAsUser", "runAsGroup: 10001"]],
    ["minimal.yaml", ["--set=podSecurityContext=null,securityContext=null"], ["!securityContext", "!runAsNonRoot"]],
    ["minimal.yaml", ["--set=host=0.0.0.0"], ['--host, "0.0.0.0"']],
    ["minimal.yaml", ["--set=nameOverride=other"], ["name: storage-proxy-other\n", "app.kubernetes.io/name: other\n"]],
    [
      "openshift.yaml",
      [],
      [
        "!runAsUser",
        "!runAsGroup",
        "!fsGroup:",
        "fsGroupChangePolicy: OnRootMismatch",
        "name: storage-entries\n",
        "!storage-proxy-storage",
        "example.org/cost-center: storage",
        "persistentVolumeClaim:",
        "!emptyDir",
        "name: sidecar",
        "runtimeClassName: gvisor",
        "ipFamilyPolicy: PreferDualStack",
      ],
    ],
    // Helm parses integers in files as floats, which its `quote` writes as 1e+06.
    [
      "minimal.yaml",
      ['--set-json=env={"CACHE_FRESH_FOR":1000000,"DEBUG":true}'],
      ['value: "1000000"', 'value: "true"'],
    ],
    // DNS, the chart's own Valkey, the collector and the upstreams: all necessary egress, and nothing else.
    ["own-valkey.yaml", [], ["port: 53,", "port: 6379,", "port: 4318,", "port: 443,", "component: valkey"]],
    ["own-valkey.yaml", ["--set=config.hpc_user_api.socks_proxy=socks5h://proxy"], ["port: 1080,"]],
    [
      "production.yaml",
      [],
      ["name: storage-proxy-site\n", "kind: HorizontalPodAutoscaler", "helm.sh/hook: test", "component: test"],
    ],
    ["own-valkey.yaml", ["--set=config.waldur_api_url=https://[2001:db8::1]:8443/api/"], ["port: 8443,"]],
  ]

const render = (helm: string, chart: string, values: string, ...more: ReadonlyArray<string>) =>
  run(helm, ["template", "storage-proxy", chart, "--values", values, ...more])

/**
 * Checks that each of the chart's examples passes `helm lint`, that invalid values are refused, and that values appear
 * in the right places. Returns a summary line.
 */
export const lintChart = async (helm: string, chart: string): Promise<string> => {
  const examples = await readdir(join(chart, "ci"))
  for (const example of examples)
    await run(helm, ["lint", "--strict", "--quiet", chart, "--values", join(chart, "ci", example)])
  for (const [more, words] of refusals) {
    const refused = await render(helm, chart, join(chart, "ci", "minimal.yaml"), ...more).then(
      () => "it was accepted",
      (error: Error) => error.message.slice(error.message.indexOf("\n")),
    )
    if (!words.test(refused)) throw new Error(`${more.join(" ")} was not refused with ${words}: ${refused}`)
  }
  for (const [values, more, words] of renderings) {
    const made = await render(helm, chart, join(chart, "ci", values), ...more)
    for (const word of words) {
      if (made.includes(word.replace(/^!/, "")) === word.startsWith("!"))
        throw new Error(`${values} ${more.join(" ")}: what the chart makes of it fails ${JSON.stringify(word)}`)
    }
  }
  return `${examples.join(", ")}; ${renderings.length} renderings; ${refusals.length} wrong ones refused`
}

/** Checks that each example's manifests are valid for Kubernetes. Returns a summary line. */
export const validateChart = async (
  helm: string,
  kubeconform: string,
  schemas: ReadonlyArray<string>,
  chart: string,
): Promise<string> => {
  const examples = await readdir(join(chart, "ci"))
  const locations = schemas.flatMap((schema) => ["-schema-location", schema])
  for (const version of KUBERNETES_VERSIONS) {
    for (const example of examples) {
      const objects = await render(helm, chart, join(chart, "ci", example), "--kube-version", version)
      await run(kubeconform, ["-strict", "-kubernetes-version", version, ...locations], { input: objects })
    }
  }
  return `${examples.join(", ")} for ${KUBERNETES_VERSIONS.join(" and ")}`
}

/** The command of the pod of `helm test`, without the URL at its end. */
export const testCommandOf = async (helm: string, chart: string): Promise<ReadonlyArray<string>> => {
  interface Pod {
    readonly kind: string
    readonly spec: { readonly containers: ReadonlyArray<{ readonly command: ReadonlyArray<string> }> }
  }
  const rendered = await render(helm, chart, join(chart, "ci", "minimal.yaml"))
  const command = readYaml<Pod>(rendered).find(({ kind }) => kind === "Pod")?.spec.containers[0]?.command ?? []
  if (!/^http:\/\/storage-proxy:80\/healthz\/ready$/.test(command.at(-1) ?? "")) {
    throw new Error(`the pod of helm test asks ${command.at(-1)}`)
  }
  return command.slice(0, -1)
}

/** The config.yaml from the chart's smallest example. */
export const configOf = async (helm: string, chart: string, scratch: string): Promise<string> => {
  const more = join(scratch, "values.yaml")
  // Not in alphabetical order.
  await writeFile(
    more,
    `storageSystems: ${JSON.stringify(["vast", "capstor", "iopsstor"].map((name) => ({ name, offering: name })))}`,
  )
  interface ConfigMap {
    readonly kind: string
    readonly data: Readonly<Record<string, string>>
  }
  const rendered = await render(helm, chart, join(chart, "ci", "minimal.yaml"), "--values", more)
  const config = readYaml<ConfigMap>(rendered)
    .filter(({ kind }) => kind === "ConfigMap")
    .map(({ data }) => data["config.yaml"])
    .find((text) => text !== undefined)
  if (config === undefined) throw new Error("the chart makes no config.yaml")
  const [read] = readYaml<{ readonly storage_systems: object }>(config)
  const order = Object.keys(read?.storage_systems ?? {}).join(" ")
  if (order !== "vast capstor iopsstor") throw new Error(`the chart lost the order of the storage systems: ${order}`)
  return config
}
