/** The table of all settings. */
import { settingsLibrary } from "@cscs/proxy-server"
import { Duration } from "effect"

const { key, keyWithDefault } = settingsLibrary
const { flag, gid, httpUrl, mapping, oneOf, proxyUrl, secret, text, timeSpan, timeout, waldurToken, wholeNumber } =
  settingsLibrary.types

export const settingKeys = {
  proxyUrl: key("proxy.url", httpUrl, { description: "The storage proxy's address, without `/api/…`." }),
  proxyIssuer: key("proxy.issuer", httpUrl, {
    description: "The OIDC issuer for client credentials: `https://auth.example.org/realms/cscs`.",
  }),
  proxyClientId: key("proxy.client_id", text, { description: "The provisioner's client ID there." }),
  proxyClientSecret: key("proxy.client_secret", secret, { description: "The client's secret." }),
  proxyScope: keyWithDefault("proxy.scope", text, "openid", { description: "The requested scope." }),
  proxyDisableAuth: keyWithDefault("proxy.disable_auth", flag, false, {
    description: "The proxy serves without authentication. Never in production.",
  }),
  proxyVerifySsl: keyWithDefault("proxy.verify_ssl", flag, true, {
    description: "Check the certificates of the proxy and the issuer.",
  }),
  proxyCaFile: key("proxy.ca_file", text, {
    description: "A PEM file with the authorities for their certificates, instead of the system's.",
  }),
  proxyTimeout: keyWithDefault("proxy.timeout", timeout, Duration.seconds(60), {
    description: "The timeout of one attempt at a call to the proxy.",
  }),
  waldurApiUrl: key("waldur_api_url", httpUrl, { description: "Waldur's API, to which orders are reported." }),
  waldurApiToken: key("waldur_api_token", waldurToken, {
    description:
      "The token of a Waldur user that may act on orders: one with the role OFFERING.MANAGER in each offering suffices.",
  }),
  waldurVerifySsl: keyWithDefault("waldur_verify_ssl", flag, true, { description: "Check Waldur's certificate." }),
  waldurCaFile: key("waldur_ca_file", text, {
    description: "A PEM file with the authorities for Waldur's certificate, instead of the system's.",
  }),
  waldurTimeout: keyWithDefault("waldur_timeout", timeout, Duration.seconds(60), {
    description: "The timeout of a report.",
  }),
  socksProxy: key("socks_proxy", proxyUrl, {
    description:
      "The proxy for calls to the storage proxy, the issuer and Waldur; default: the environment's (`HTTPS_PROXY` and the like). VAST is called directly.",
  }),
  statePath: keyWithDefault("state_path", text, "/var/lib/storage-provisioner", {
    description: "The directory of the journal, the registries and the status. Outside of all roots; made if missing.",
  }),
  prefix: keyWithDefault("prefix", text, "/", {
    description: "The directory below which mount points are, for trials; `/` in production.",
  }),
  storageSystems: key("storage_systems", mapping, {
    description:
      "By the system's key in entries (`storageSystem.key`, lowercase): its `driver` (`directory`, `btrfs`, `lustre`, `vast`, `ext4`, `xfs`), its `root`, and the driver's own settings. Systems that are not named are left alone.",
  }),
  vastToken: key("vast.token", secret, { description: "VAST's API token." }),
  vastUser: key("vast.user", text, {
    description: "The name of a user of VAST's management system, instead of a token.",
  }),
  vastPassword: key("vast.password", secret, { description: "The password of that user." }),
  pollEvery: keyWithDefault("poll_every", timeSpan, Duration.minutes(1), {
    description: "How often the list is polled, give or take a tenth.",
  }),
  checkEvery: keyWithDefault("check_every", timeSpan, Duration.minutes(10), {
    description: "How often all directories are compared with the list, even if it has not changed.",
  }),
  retryAfter: keyWithDefault("retry_after", timeSpan, Duration.seconds(30), {
    description:
      "The wait before an item that failed is tried again; it doubles with each failure, up to 100 times as long.",
  }),
  maxRemovals: keyWithDefault("max_removals", wholeNumber(0, 100_000), 5, {
    description: "The maximum number of directories moved to the trash per poll. Further ones wait for the next.",
  }),
  erredAfter: keyWithDefault("erred_after", wholeNumber(2, 1000), 10, {
    description: "Failures of the provisioner's own acts on an order after which the order is reported as erred.",
  }),
  reportBackendId: keyWithDefault("report_backend_id", flag, true, {
    description:
      "Report each directory's path as `backend_id` before its order is done. The path then stays, even when its project is renamed.",
  }),
  retentionDays: keyWithDefault("retention_days", wholeNumber(1, 36_500), 90, {
    description: "Days after which `status` lists a directory in the trash as expired. Nothing is ever deleted.",
  }),
  minGid: key("policy.min_gid", gid, { description: "New resources with a smaller GID are rejected." }),
  maxGid: key("policy.max_gid", gid, { description: "New resources with a larger GID are rejected." }),
  freeSpace: keyWithDefault("policy.free_space", oneOf("ignore", "wait", "reject"), "ignore", {
    description: "What to do with an order for more space than the file system has free.",
  }),
} as const
