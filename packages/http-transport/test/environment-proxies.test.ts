import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { environmentChoice } from "../src/environment-proxies.ts"
import { environmentProxies, environmentProxyWarnings } from "../src/index.ts"

describe("the proxy variables", () => {
  it.each([
    { why: "are none if nothing is set", environment: {}, read: {} },
    {
      why: "are HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
      environment: { HTTP_PROXY: "http://a:1", HTTPS_PROXY: "socks5h://b:2", NO_PROXY: "c,d" },
      read: { http: "http://a:1", https: "socks5h://b:2", no: "c,d" },
    },
    {
      why: "count in lower case before upper case",
      environment: {
        http_proxy: "a",
        HTTP_PROXY: "A",
        https_proxy: "b",
        HTTPS_PROXY: "B",
        no_proxy: "c",
        NO_PROXY: "C",
      },
      read: { http: "a", https: "b", no: "c" },
    },
    {
      why: "count as unset if they are empty",
      environment: { HTTP_PROXY: "", HTTPS_PROXY: " ", NO_PROXY: "" },
      read: {},
    },
    {
      why: "count in upper case if the lower-case one is empty",
      environment: { http_proxy: "", HTTP_PROXY: "A", https_proxy: " ", HTTPS_PROXY: "B" },
      read: { http: "A", https: "B" },
    },
    {
      why: "are stripped of white space",
      environment: { HTTPS_PROXY: " http://a:1\n" },
      read: { https: "http://a:1" },
    },
    {
      why: "count in a CGI process except HTTP_PROXY, which is a caller's header there",
      environment: { REQUEST_METHOD: "GET", HTTP_PROXY: "http://evil:1", HTTPS_PROXY: "b", NO_PROXY: "c" },
      read: { https: "b", no: "c" },
    },
    {
      why: "include http_proxy in a CGI process",
      environment: { REQUEST_METHOD: "GET", http_proxy: "a", HTTP_PROXY: "http://evil:1" },
      read: { http: "a" },
    },
    { why: "include ALL_PROXY", environment: { ALL_PROXY: "a" }, read: { all: "a" } },
    { why: "include all_proxy, before ALL_PROXY", environment: { all_proxy: "a", ALL_PROXY: "A" }, read: { all: "a" } },
    { why: "do not include others, such as FTP_PROXY", environment: { FTP_PROXY: "b", SOCKS_PROXY: "c" }, read: {} },
  ])("$why", ({ environment, read }) => {
    assert.deepStrictEqual(environmentProxies(environment), read)
  })
})

describe("the scheme of a URL", () => {
  it.each([
    { proxies: { http: "a", https: "b" }, url: "http://example.org/", choice: "http" },
    { proxies: { http: "a", https: "b" }, url: "https://example.org/", choice: "https" },
    { proxies: { http: "a" }, url: "https://example.org/", choice: undefined },
    { proxies: { https: "b" }, url: "http://example.org/", choice: undefined },
    { proxies: { http: "a", https: "b" }, url: "ftp://example.org/", choice: undefined },
    { proxies: {}, url: "https://example.org/", choice: undefined },
    { proxies: { all: "c" }, url: "https://example.org/", choice: "all" },
    { proxies: { all: "c" }, url: "http://example.org/", choice: "all" },
    { proxies: { http: "a", all: "c" }, url: "http://example.org/", choice: "http" },
    { proxies: { http: "a", all: "c" }, url: "https://example.org/", choice: "all" },
    { proxies: { all: "c", no: "example.org" }, url: "https://example.org/", choice: undefined },
    { proxies: { all: "c" }, url: "ftp://example.org/", choice: undefined },
  ])("selects the proxy of $choice for $url with $proxies", ({ proxies, url, choice }) => {
    assert.strictEqual(environmentChoice(proxies)(new URL(url)), choice)
  })
})

const goesDirect = (no: string, url: string) =>
  environmentChoice({ http: "a", https: "b", no })(new URL(url)) === undefined

describe("NO_PROXY", () => {
  it.each([
    // names
    { no: "example.org", url: "https://example.org/", direct: true },
    { no: "example.org", url: "https://api.example.org/", direct: true },
    { no: "example.org", url: "https://a.b.example.org/", direct: true },
    { no: ".example.org", url: "https://example.org/", direct: true },
    { no: ".example.org", url: "https://api.example.org/", direct: true },
    { no: "example.org", url: "https://notexample.org/", direct: false },
    { no: ".example.org", url: "https://notexample.org/", direct: false },
    { no: "api.example.org", url: "https://example.org/", direct: false },
    { no: "example.org", url: "https://example.org.evil.test/", direct: false },
    { no: "EXAMPLE.org", url: "https://API.Example.ORG/", direct: true },
    { no: "example.org.", url: "https://api.example.org/", direct: true },
    { no: "example.org", url: "https://api.example.org./", direct: true },
    { no: "localhost", url: "http://localhost:8080/", direct: true },
    // lists
    { no: "a.test, example.org ,b.test", url: "https://example.org/", direct: true },
    { no: "a.test\texample.org\n", url: "https://example.org/", direct: true },
    { no: ",,example.org,", url: "https://example.org/", direct: true },
    { no: ",", url: "https://example.org/", direct: false },
    { no: "", url: "https://example.org/", direct: false },
    { no: ".", url: "https://example.org/", direct: false },
    // all
    { no: "*", url: "https://example.org/", direct: true },
    { no: " * ", url: "http://127.0.0.1/", direct: true },
    { no: "a.test,*", url: "https://[::1]/", direct: true },
    { no: "*.example.org", url: "https://api.example.org/", direct: true },
    { no: "*.example.org", url: "https://notexample.org/", direct: false },
    { no: "*.example.org:8443", url: "https://api.example.org:8443/", direct: true },
    { no: "*.", url: "https://example.org/", direct: false },
    { no: "api.*", url: "https://api.example.org/", direct: false },
    { no: "bücher.example", url: "https://www.bücher.example/", direct: true },
    { no: "a.test;b.test|example.org", url: "https://example.org/", direct: true },
    { no: "https://example.org", url: "https://example.org/", direct: false },
    // ports
    { no: "example.org:8443", url: "https://example.org:8443/", direct: true },
    { no: ".example.org:8443", url: "https://api.example.org:8443/", direct: true },
    { no: "example.org:8443", url: "https://example.org/", direct: false },
    { no: "example.org:443", url: "https://example.org/", direct: true },
    { no: "example.org:80", url: "http://example.org/", direct: true },
    { no: "example.org:80", url: "https://example.org/", direct: false },
    { no: "10.0.0.1:8443", url: "https://10.0.0.1:8443/", direct: true },
    { no: "10.0.0.1:8443", url: "https://10.0.0.1/", direct: false },
    { no: "[::1]:8443", url: "https://[::1]:8443/", direct: true },
    { no: "[::1]:8443", url: "https://[::1]/", direct: false },
    // addresses
    { no: "10.0.0.1", url: "https://10.0.0.1/", direct: true },
    { no: "10.0.0.1", url: "https://10.0.0.11/", direct: false },
    { no: "0.0.1", url: "https://10.0.0.1/", direct: false },
    { no: "::1", url: "https://[::1]/", direct: true },
    { no: "[::1]", url: "https://[::1]/", direct: true },
    { no: "0:0:0:0:0:0:0:1", url: "https://[::1]/", direct: true },
    { no: "FE80::A", url: "https://[fe80::a]/", direct: true },
    { no: "::1", url: "https://[::2]/", direct: false },
    { no: "127.0.0.1", url: "https://localhost/", direct: false },
    { no: "localhost", url: "https://127.0.0.1/", direct: false },
    // blocks
    { no: "10.0.0.0/8", url: "https://10.200.3.4/", direct: true },
    { no: "10.0.0.0/8", url: "https://11.0.0.1/", direct: false },
    { no: "10.1.2.3/8", url: "https://10.200.3.4/", direct: true },
    { no: "192.168.1.0/25", url: "https://192.168.1.127/", direct: true },
    { no: "192.168.1.0/25", url: "https://192.168.1.128/", direct: false },
    { no: "0.0.0.0/0", url: "https://203.0.113.9/", direct: true },
    { no: "0.0.0.0/0", url: "https://example.org/", direct: false },
    { no: "10.*", url: "https://10.200.3.4/", direct: true },
    { no: "10.*.*.*", url: "https://10.200.3.4/", direct: true },
    { no: "192.168.*", url: "https://192.168.3.4/", direct: true },
    { no: "192.168.*", url: "https://192.169.3.4/", direct: false },
    { no: "10.*", url: "https://10.example.org/", direct: false },
    { no: "fd00::/8", url: "https://[fd12::1]/", direct: true },
    { no: "[fd00::]/8", url: "https://[fd12::1]/", direct: true },
    { no: "fd00::/8", url: "https://[fe80::1]/", direct: false },
    { no: "fd00::/8", url: "https://10.0.0.1/", direct: false },
    { no: "10.0.0.0/33", url: "https://10.0.0.1/", direct: false },
    { no: "fd00::/129", url: "https://[fd00::1]/", direct: false },
    { no: "example.org/8", url: "https://example.org/", direct: false },
    { no: "10.0.0.0/", url: "https://10.0.0.0/", direct: false },
    { no: "10.0.0.0/x", url: "https://10.0.0.0/", direct: false },
  ])('of "$no" sends $url direct: $direct', ({ no, url, direct }) => {
    assert.strictEqual(goesDirect(no, url), direct)
  })

  const Label = Schema.String.check(Schema.isPattern(/^[a-z]{1,8}$/))
  const Labels = Schema.Array(Label).check(Schema.isMinLength(2), Schema.isMaxLength(4))

  it.prop(
    "matches a host or a domain above it, in any letter case and among any other entries",
    { host: Labels, others: Schema.Array(Labels), at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 })) },
    ({ host, others, at }) => {
      const name = (labels: ReadonlyArray<string>) => `${labels.join(".")}.test`
      const url = `https://${name(host)}/`
      const otherNames = others.map(name)
      const below = name(host.slice(Math.min(at, host.length - 1)))
      for (const entry of [below, `.${below}`, below.toUpperCase(), `${below}:443`]) {
        assert.isTrue(goesDirect([...otherNames, entry].join(" , "), url))
        assert.isTrue(goesDirect([entry, ...otherNames].join(","), url))
      }
      const covered = otherNames.some((entry) => name(host) === entry || name(host).endsWith(`.${entry}`))
      assert.strictEqual(goesDirect(otherNames.join(","), url), covered)
    },
  )

  it.prop(
    "is never an error, whatever it contains",
    { no: Schema.String, url: Schema.Literals(["http://a.test/", "https://[::1]:8/"]) },
    ({ no, url }) => {
      assert.isBoolean(goesDirect(no, url))
    },
  )
})

describe("warnings of the environment's proxies", () => {
  it("are absent for values in common notation", () => {
    const warnings = environmentProxyWarnings({
      http: "proxy.example.org:3128",
      https: "someone:hunter2@localhost:3128",
      all: "socks://127.0.0.1:1080/",
      no: "localhost,127.0.0.1,::1,.svc,*.cluster.local,10.0.0.0/8;192.168.*,169.254.169.254,[fd00::1]:8443",
    })
    assert.deepStrictEqual(warnings, [])
  })

  it("name each variable that is not a proxy once, without its login", () => {
    const warnings = environmentProxyWarnings({
      http: "ftp://someone:hunter2@proxy.example.org",
      https: "someone:hunter2%@proxy.example.org",
      all: "not a proxy",
    })
    assert.deepStrictEqual(
      warnings.map((one) => one.split(": ")[0]),
      ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"],
    )
    assert.notMatch(warnings.join(), /hunter2|someone/)
  })

  it("name the entries of NO_PROXY that match no host, at most five", () => {
    const [warning, ...more] = environmentProxyWarnings({ no: "a.test,10.0.0.0/33,api.*,<local>,a:b,c://d,e*f,g:h" })
    assert.deepStrictEqual(more, [])
    assert.strictEqual(warning, "NO_PROXY: these entries match no host: 10.0.0.0/33, api.*, <local>, a:b, c://d, …")
  })

  it("show no login in an entry of NO_PROXY", () => {
    const warnings = environmentProxyWarnings({ no: "someone:hunter2@proxy:3128,http://someone:hunter2@proxy:3128" })
    assert.deepStrictEqual(warnings, ["NO_PROXY: these entries match no host: ***@proxy:3128, http://***@proxy:3128"])
  })

  it.prop(
    "are never an error for any values",
    { http: Schema.String, https: Schema.String, all: Schema.String, no: Schema.String },
    (proxies) => {
      assert.isArray(environmentProxyWarnings(proxies))
    },
  )
})
