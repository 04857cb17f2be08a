import { createPublicKey, generateKeyPairSync, type JsonWebKey, sign } from "node:crypto"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { jwksPath, type LockedProxy, startLockedProxy } from "./a-locked-proxy.ts"
import { type Any, type Got, started } from "./a-proxy.ts"

const now = started / 1000

let proxy: LockedProxy
beforeAll(async () => {
  proxy = await startLockedProxy()
})
afterAll(() => proxy.close())

/** A key pair of the attacker. */
const theirs = generateKeyPairSync("rsa", { modulusLength: 2048 })

const issue = (...given: Parameters<LockedProxy["sandbox"]["issuer"]["issueToken"]>) =>
  proxy.sandbox.issuer.issueToken(...given)
const encoded = (part: unknown) => Buffer.from(JSON.stringify(part)).toString("base64url")
const partsOf = (token: string) => token.split(".") as [string, string, string]
const claimsOf = (token: string): object => JSON.parse(Buffer.from(partsOf(token)[1], "base64url").toString())
const signedWithTheirs = (header: object, claims: object) => {
  const content = `${encoded(header)}.${encoded(claims)}`
  return `${content}.${sign("sha256", Buffer.from(content), theirs.privateKey).toString("base64url")}`
}
/** A good token's claims with a header and a signature of the attacker. */
const signedByThem = async (header: object) => signedWithTheirs(header, claimsOf(await issue()))

const publishedKeys = async (): Promise<ReadonlyArray<JsonWebKey & { kid: string; use: string }>> =>
  ((await (await fetch(proxy.sandbox.issuer.jwksUrl)).json()) as Any).keys
const signingKey = async () => (await publishedKeys()).find(({ use }) => use === "sig") as JsonWebKey & { kid: string }
const encryptionKey = async () => (await publishedKeys()).find(({ use }) => use === "enc") as { kid: string }

/** The expected response to a request without a good token, whatever was wrong. */
const expectRefusal = ({ status, headers, text, json }: Got, authorization: string | undefined) => {
  expect(status).toBe(401)
  expect(Object.keys(json)).toEqual(["detail", "error", "help"])
  expect(json.error).toBe("AuthenticationError")
  expect(headers.get("content-type")).toMatch(/^application\/json/)
  const challenge = headers.get("www-authenticate") ?? ""
  // RFC 6750 section 3: the characters allowed in a quoted description.
  expect(challenge).toMatch(/^Bearer( error="invalid_token", error_description="[\x20-\x21\x23-\x5b\x5d-\x7e]+")?$/)
  if (challenge !== "Bearer") expect(challenge).toContain(`error_description="${json.detail}"`)
  const reported = `${text}\n${[...headers].join("\n")}`
  for (const piece of piecesOf(authorization)) expect(reported).not.toContain(piece)
  const { issuer } = proxy.sandbox
  for (const kept of [issuer.url, issuer.baseUrl, "127.0.0.1", issuer.audience.clientId]) {
    expect(reported).not.toContain(kept)
  }
}

/** Every part of a credential that is long enough to differ from a word. */
const piecesOf = (authorization = "") =>
  authorization.split(/[\s,.:="]+/).filter((piece) => piece.length >= 6 && !/^bearer$|^digest$/i.test(piece))

/** The refusals that a request logged, as objects. Other lines (a refresh) may be in between. */
const refusalsSince = (before: number): ReadonlyArray<{ line: string; annotations: Any }> =>
  proxy.logs
    .slice(before)
    .filter((line) => line.includes('"event":"token-refused"'))
    .map((line) => ({ line, annotations: JSON.parse(line).annotations }))

describe("the Authorization header", () => {
  test("gets a challenge without an error if it is missing", async () => {
    for (const authorization of [undefined, "", " ", "\t"]) {
      const before = proxy.logs.length
      const got = await proxy.asking(authorization)
      expectRefusal(got, authorization)
      expect(got.headers.get("www-authenticate")).toBe("Bearer")
      expect(refusalsSince(before)).toEqual([])
    }
  })

  test("takes the scheme in any case, with any number of spaces", async () => {
    const token = await issue()
    for (const scheme of ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer   ", "  bearer "]) {
      expect([scheme, (await proxy.asking(`${scheme} ${token}`)).status]).toEqual([scheme, 200])
    }
  })

  test("is refused if it is not exactly one bearer token, and no part of it is repeated anywhere", async () => {
    const token = await issue()
    const basic = Buffer.from("provisioner:correct-horse").toString("base64")
    const hostile = [
      "Bearer",
      "Bearer ",
      `Basic ${basic}`,
      "Token 0123456789abcdef0123456789abcdef01234567",
      `DPoP ${token}`,
      `Digest username="provisioner", response="6629fae49393a05397450978507c4ef1"`,
      // No scheme at all: the first word is the secret itself.
      token,
      "correct-horse-battery",
      `"${token}"`,
      `Bearer:${token}`,
      `Bearer=${token}`,
      `Bearer\t${token}`,
      `Bearer ${token} ${token}`,
      `Bearer ${token}, Bearer ${token}`,
      `Bearer ${token},${token}`,
      `Bearer ${token}, Basic ${basic}`,
      `Bearer Bearer ${token}`,
      `Bearer "${token}"`,
      `Bearer ${token};`,
      `Bearer ${token}\u00e9`,
      `Bearer ${token}%0A`,
      `Bearer \u00a0${token}`,
    ]
    for (const authorization of hostile) {
      const before = proxy.logs.length
      const got = await proxy.asking(authorization)
      expect([authorization, got.status]).toEqual([authorization, 401])
      expectRefusal(got, authorization)
      for (const line of proxy.logs.slice(before)) {
        for (const piece of piecesOf(authorization)) expect(line).not.toContain(piece)
        expect(line).not.toMatch(/eyJ|correct/)
        expect(line.length).toBeLessThan(1000)
      }
    }
  })
})

interface Attack {
  readonly name: string
  readonly token: () => Promise<string>
  /** The description in the response. */
  readonly detail: string
}

const malformed = "The token is malformed"
const wrongSignature = "The token's signature is wrong"
const unknownKey = "The token's key is unknown"
const wrongAlgorithm = "The token's algorithm is not allowed"
const wrongAudience = "The token is for another audience"
const wrongIssuer = "The token is from another issuer"
const expired = "The token is expired"

const attacks: ReadonlyArray<Attack> = [
  // Algorithms (RFC 8725 sections 3.1 and 3.2).
  { name: "alg none", token: () => issue({}, { alg: "none" }), detail: wrongAlgorithm },
  ...["None", "NONE", "nOnE", ""].map((alg) => ({
    name: `alg ${JSON.stringify(alg)}`,
    token: async () => `${encoded({ alg, typ: "JWT" })}.${encoded(claimsOf(await issue()))}.`,
    detail: alg === "" ? malformed : wrongAlgorithm,
  })),
  {
    name: "alg none with a good token's signature",
    token: async () => {
      const [, claims, signature] = partsOf(await issue())
      return `${encoded({ alg: "none" })}.${claims}.${signature}`
    },
    detail: wrongAlgorithm,
  },
  ...["HS256", "HS384", "HS512"].map((alg) => ({
    name: `${alg} with the public key as PEM`,
    token: () => issue({}, { alg }),
    detail: wrongAlgorithm,
  })),
  {
    name: "HS256 with the public key as PEM without its last line break",
    token: async () => {
      const pem = createPublicKey({ key: await signingKey(), format: "jwk" }).export({ type: "spki", format: "pem" })
      return issue({}, { alg: "HS256", key: Buffer.from(String(pem).trim()) })
    },
    detail: wrongAlgorithm,
  },
  {
    name: "HS256 with the published JWK's text as secret",
    token: async () => issue({}, { alg: "HS256", key: Buffer.from(JSON.stringify(await signingKey())) }),
    detail: wrongAlgorithm,
  },
  {
    name: "HS256 with the modulus as secret",
    token: async () => issue({}, { alg: "HS256", key: Buffer.from((await signingKey()).n ?? "", "base64url") }),
    detail: wrongAlgorithm,
  },
  {
    name: "HS256 with an empty secret",
    token: () => issue({}, { alg: "HS256", key: Buffer.alloc(0) }),
    detail: wrongAlgorithm,
  },
  {
    name: "an algorithm that the key is not for",
    token: async () => issue({}, { alg: "PS256", kid: (await signingKey()).kid }),
    detail: unknownKey,
  },
  {
    name: "an unknown algorithm",
    token: async () => `${encoded({ alg: "RS257" })}.${encoded(claimsOf(await issue()))}.AAAA`,
    detail: wrongAlgorithm,
  },
  {
    name: "alg as a list",
    token: async () => `${encoded({ alg: ["RS256"] })}.${encoded(claimsOf(await issue()))}.AAAA`,
    detail: malformed,
  },

  // Keys.
  {
    name: "another key under the issuer's key id",
    token: async () => issue({}, { kid: (await signingKey()).kid, key: theirs.privateKey }),
    detail: wrongSignature,
  },
  { name: "an unknown key id", token: () => issue({}, { key: "unknown" }), detail: unknownKey },
  {
    name: "another key without a key id",
    token: () => issue({}, { kid: null, key: theirs.privateKey }),
    detail: wrongSignature,
  },
  {
    name: "the encryption key, under its own key id",
    token: () => issue({}, { key: "encryption" }),
    detail: unknownKey,
  },
  {
    name: "the signing key under the encryption key's id",
    token: async () => issue({}, { kid: (await encryptionKey()).kid }),
    detail: unknownKey,
  },
  { name: "a key id that is a path", token: () => issue({}, { kid: "../../../../dev/null" }), detail: unknownKey },
  { name: "a key id that is a query", token: () => issue({}, { kid: "x' UNION SELECT 'secret" }), detail: unknownKey },
  { name: "a key id of 4 kB", token: () => issue({}, { kid: "k".repeat(4096) }), detail: unknownKey },
  { name: "an empty key id", token: () => issue({}, { kid: "" }), detail: unknownKey },
  {
    name: "a key id that is a number",
    token: async () => signedByThem({ alg: "RS256", kid: 5 }),
    detail: unknownKey,
  },
  ...["jwk", "jku", "x5u", "x5c"].map((name) => ({
    name: `the attacker's own key, brought along as ${name}`,
    token: async () =>
      signedByThem({
        alg: "RS256",
        kid: (await signingKey()).kid,
        [name]:
          name === "jwk"
            ? theirs.publicKey.export({ format: "jwk" })
            : name === "x5c"
              ? ["MIIBIjANBgkqhkiG9w0BAQ"]
              : `${proxy.sandbox.waldur.url}attacker/keys`,
      }),
    detail: wrongSignature,
  })),

  ...[["exp"], ["x".repeat(3000)], ["__proto__"]].map((crit) => ({
    name: `a header that wants ${crit.join().slice(0, 20)} understood`,
    token: async () => signedByThem({ alg: "RS256", crit, [crit.join()]: 1 }),
    detail: malformed,
  })),

  // Shape.
  { name: "three parts of junk", token: async () => "abc.def.ghi", detail: malformed },
  { name: "one part of junk", token: async () => "abcdefghijkl", detail: malformed },
  { name: "two points", token: async () => "..", detail: malformed },
  {
    name: "four parts",
    token: async () => `${await issue()}.AAAAAAAA`,
    detail: malformed,
  },
  {
    name: "five parts, an encrypted token",
    token: async () =>
      `${encoded({ alg: "RSA-OAEP", enc: "A256GCM", cty: "JWT" })}.AAAAAAAA.BBBBBBBB.CCCCCCCC.DDDDDDDD`,
    detail: malformed,
  },
  { name: "without its signature", token: async () => (await issue()).replace(/[^.]+$/, ""), detail: wrongSignature },
  {
    name: "a changed claim",
    token: async () => {
      const good = await issue({ realm_access: { roles: [] } })
      const [header, , signature] = partsOf(good)
      return `${header}.${encoded({ ...claimsOf(good), realm_access: { roles: ["admin"] } })}.${signature}`
    },
    detail: wrongSignature,
  },
  {
    name: "a header that is not an object",
    token: async () => `${encoded(["RS256"])}.${encoded({})}.AAAA`,
    detail: malformed,
  },
  {
    name: "claims that are not an object, well signed",
    token: async () => `${encoded({ alg: "RS256" })}.${encoded("claims")}.AAAA`,
    detail: wrongSignature,
  },
  {
    name: "claims nested as deep as a request can hold",
    token: async () => {
      const deep = Buffer.from(`{"aud":${"[".repeat(5000)}${"]".repeat(5000)}}`).toString("base64url")
      return `${encoded({ alg: "RS256", kid: "x" })}.${deep}.AAAA`
    },
    detail: unknownKey,
  },

  // Issuer, time, audience (sections 3.8, 3.9 and RFC 7519 section 4.1).
  { name: "another issuer", token: () => issue({ iss: "https://evil.example.org/realms/cscs" }), detail: wrongIssuer },
  {
    name: "the issuer with a closing slash",
    token: () => issue({ iss: `${proxy.sandbox.issuer.url}/` }),
    detail: wrongIssuer,
  },
  {
    name: "the issuer in capitals",
    token: () => issue({ iss: proxy.sandbox.issuer.url.toUpperCase() }),
    detail: wrongIssuer,
  },
  {
    name: "the issuer of another realm",
    token: () => issue({ iss: `${proxy.sandbox.issuer.baseUrl}realms/master` }),
    detail: wrongIssuer,
  },
  { name: "the issuer in a list", token: () => issue({ iss: [proxy.sandbox.issuer.url] }), detail: wrongIssuer },
  { name: "no issuer at all", token: () => issue({ iss: undefined }), detail: wrongIssuer },
  {
    name: "not yet valid, beyond the leeway",
    token: () => issue({ nbf: now + 31 }),
    detail: "The token is not yet valid",
  },
  { name: "valid from a time that is none", token: () => issue({ nbf: "soon" }), detail: "The token is not yet valid" },
  { name: "expired, beyond the leeway", token: () => issue({ exp: now - 30 }), detail: expired },
  { name: "expired long ago", token: () => issue({ iat: 0, exp: 1 }), detail: expired },
  {
    name: "from the future, beyond the leeway",
    token: () => issue({ iat: now + 31 }),
    detail: "The token is from the future",
  },
  { name: "from a time that is none", token: () => issue({ iat: "now" }), detail: "The token lacks a valid claim iat" },
  { name: "without an end", token: () => issue({ exp: undefined }), detail: "The token lacks a valid claim exp" },
  { name: "with an end of null", token: () => issue({ exp: null }), detail: "The token lacks a valid claim exp" },
  {
    name: "with an end as a text",
    token: () => issue({ exp: String(now + 300) }),
    detail: "The token lacks a valid claim exp",
  },
  { name: "without any audience", token: () => issue({ aud: undefined }), detail: wrongAudience },
  { name: "with an empty audience", token: () => issue({ aud: [] }), detail: wrongAudience },
  {
    name: "for another audience",
    token: () => issue({ aud: ["account", "storage-proxy2", "Storage-Proxy", ""] }),
    detail: wrongAudience,
  },
  { name: "for another", token: () => issue({ aud: "account" }), detail: wrongAudience },
  {
    name: "for an audience whose name contains ours",
    token: () => issue({ aud: "storage-proxy,account" }),
    detail: wrongAudience,
  },
  ...[5, {}, { 0: "storage-proxy" }, [["storage-proxy"]], [5, "storage-proxy"], null, true].map((aud) => ({
    name: `for the audience ${JSON.stringify(aud)}`,
    token: () => issue({ aud }),
    detail: malformed,
  })),
  { name: "issued to a list", token: () => issue({ aud: [], azp: ["storage-proxy"] }), detail: malformed },

  // Other kinds of tokens (sections 3.11, 3.12).
  ...["ID", "Refresh", "Offline", "Logout", "bearer", "DPoP", ""].map((typ) => ({
    name: `of the kind ${JSON.stringify(typ)}`,
    token: () => issue({ typ }),
    detail: "The token is not a bearer access token",
  })),
  { name: "of a kind that is a list", token: () => issue({ typ: ["Bearer"] }), detail: malformed },

  // Claims of invalid types.
  ...[
    { realm_access: "admin" },
    { realm_access: { roles: "admin" } },
    { realm_access: { roles: [{}] } },
    { resource_access: [] },
    { resource_access: "storage-proxy" },
    { resource_access: { "storage-proxy": ["reader"] } },
    { resource_access: { "storage-proxy": { roles: 5 } } },
    { sub: 5 },
    { preferred_username: { toString: "admin" } },
    { client_id: [] },
  ].map((claims) => ({ name: JSON.stringify(claims), token: () => issue(claims), detail: malformed })),
  ...[undefined, "", "  ", "\u200b\u0000"].map((name) => ({
    name: `that only names ${JSON.stringify(name)}`,
    token: () => issue({ sub: name, preferred_username: name, client_id: name, azp: name }),
    detail: "The token contains no name",
  })),

  // Tokens that need another proof than possession (RFC 9449 section 7, RFC 8705 section 3).
  ...[{ jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }, { "x5t#S256": "bwcK0esc3ACC3DB2Y5" }, {}, null, "x"].map(
    (cnf) => ({
      name: `bound to a key by ${JSON.stringify(cnf)}`,
      token: () => issue({ cnf }),
      detail: "The token is bound to a key and is not a bearer token",
    }),
  ),
  {
    name: "with the header of a DPoP proof",
    token: () => issue({}, { typ: "dpop+jwt" }),
    detail: "The token is not a bearer access token",
  },
  ...["at_hash", "c_hash", "events"].map((claim) => ({
    name: `of another kind, without typ, by its claim ${claim}`,
    token: () => issue({ typ: undefined, [claim]: {} }),
    detail: "The token is not a bearer access token",
  })),
  {
    name: "well signed, with a name that nests deep",
    token: () => issue({ preferred_username: JSON.parse(`${"[".repeat(2000)}${"]".repeat(2000)}`) }),
    detail: malformed,
  },
]

describe("a hostile token is 401, and neither the response nor the log repeats it:", () => {
  test.each(attacks)("$name", async ({ token: make, detail }) => {
    // The keys are known, as they are to a running proxy.
    expect((await proxy.bearing(await issue())).status).toBe(200)
    const token = await make()
    const before = proxy.logs.length
    const callsBefore = proxy.sandbox.calls.of("waldur").length
    const got = await proxy.bearing(token)
    expectRefusal(got, `Bearer ${token}`)
    expect(got.json.detail).toBe(detail)
    expect(got.headers.get("www-authenticate")).toBe(`Bearer error="invalid_token", error_description="${detail}"`)
    // Nothing that a token names is fetched.
    expect(proxy.sandbox.calls.of("waldur").length).toBe(callsBefore)

    const logged = refusalsSince(before)
    expect(logged.length).toBe(1)
    for (const { line, annotations } of logged) {
      expect(annotations).toMatchObject({
        why: detail,
        allowed_audience: "storage-proxy",
        allowed_issuer: proxy.sandbox.issuer.url,
      })
      for (const name of ["aud", "azp", "iss"]) expect(annotations[name].length).toBeLessThanOrEqual(200)
      expect(line.length).toBeLessThan(2000)
      for (const piece of piecesOf(token)) expect(line).not.toContain(piece)
    }
  })

  test("a token's own claims are in the log, truncated if they are long", async () => {
    const before = proxy.logs.length
    const long = "https://evil.example.org/".repeat(200)
    await proxy.bearing(await issue({ iss: long, aud: ["another", long], azp: "another-client" }))
    const [{ annotations } = { annotations: {} }] = refusalsSince(before)
    expect(annotations.azp).toBe('"another-client"')
    expect(annotations.aud).toMatch(/^\["another","https:\/\/evil/)
    expect(annotations.iss).toMatch(/^"https:\/\/evil/)
    expect([annotations.aud.length, annotations.iss.length]).toEqual([200, 200])
  })

  test("a line break in a claim starts no new line of the log", async () => {
    const before = proxy.logs.length
    await proxy.bearing(await issue({ iss: 'x\n{"level":"INFO","message":"Token accepted"}\r\n\u2028\u001b[31m' }))
    const [{ line } = { line: "" }] = refusalsSince(before)
    for (const control of ["\n", "\r", "\u001b"]) expect(line).not.toContain(control)
  })
})

describe("a token that looks odd but is good is 200:", () => {
  const good: ReadonlyArray<readonly [name: string, token: () => Promise<string>]> = [
    ["as Keycloak writes it", () => issue()],
    ["without a key id, while one key only can have signed it", () => issue({}, { kid: null })],
    ["valid from within the leeway", () => issue({ nbf: now + 30 })],
    ["expired within the leeway", () => issue({ exp: now - 29 })],
    ["issued ahead within the leeway", () => issue({ iat: now + 30 })],
    ["without iat", () => issue({ iat: undefined })],
    ["for us as a plain text", () => issue({ aud: "storage-proxy" })],
    ["for us in a list of one", () => issue({ aud: ["storage-proxy"] })],
    ["for us and others", () => issue({ aud: ["account", "storage-proxy", "x"] })],
    ["issued to us, without an audience", () => issue({ aud: undefined, azp: "storage-proxy" })],
    ["issued to us, for another audience", () => issue({ aud: "account", azp: "storage-proxy" })],
    ["without the claim typ", () => issue({ typ: undefined })],
    ["with no typ in its header", () => issue({}, { typ: null })],
    ["with typ at+jwt (RFC 9068) in its header", () => issue({}, { typ: "at+jwt" })],
    ["with typ jwt in its header", () => issue({}, { typ: "jwt" })],
    ["without preferred_username", () => issue({ preferred_username: undefined })],
    ["with claims that we do not read, of any type", () => issue({ scope: 5, acr: {}, jti: [], "https://x/": null })],
    ["with __proto__ among its claims", () => issue(JSON.parse('{"__proto__":{"admin":true}}'))],
    [
      "with __proto__ among its clients",
      () => issue({ resource_access: JSON.parse('{"__proto__":{"roles":["admin"]},"constructor":{"roles":[]}}') }),
    ],
  ]
  test.each(good)("%s", async (_, make) => {
    expect((await proxy.bearing(await make())).status).toBe(200)
  })
})

describe("a token with a genuine signature and a hostile header", () => {
  /** Here the attacker's key is published by the issuer, so that it can sign any header. */
  let owned: LockedProxy
  beforeAll(async () => {
    const published = { ...theirs.publicKey.export({ format: "jwk" }), kid: "issuer-key", use: "sig", alg: "RS256" }
    owned = await startLockedProxy({
      prepare: ({ faults }) =>
        void faults.set("issuer", { path: jwksPath, body: { json: { keys: [published] } } as Any }),
    })
  })
  afterAll(() => owned.close())

  const responseTo = async (header: object, claims: object = {}) => {
    const payload = { ...claimsOf(await owned.sandbox.issuer.issueToken()), ...claims }
    return owned.bearing(signedWithTheirs({ alg: "RS256", kid: "issuer-key", ...header }, payload))
  }

  test("is 200 if nothing in the header is hostile, or only parts that are not read", async () => {
    expect((await responseTo({})).status).toBe(200)
    const url = `${owned.sandbox.waldur.url}attacker/keys`
    const before = owned.sandbox.calls.of("waldur").length
    expect((await responseTo({ jku: url, x5u: url, jwk: {}, x5c: [] })).status).toBe(200)
    expect(owned.sandbox.calls.of("waldur").length).toBe(before)
  })

  test("is 401 if the header declares another kind of token (RFC 8725 section 3.11)", async () => {
    for (const typ of ["logout+jwt", "secevent+jwt", "dpop+jwt", "token-introspection+jwt", "oauth-authz-req+jwt"]) {
      const { status, json } = await responseTo({ typ }, { typ: undefined })
      expect([typ, status, json.detail]).toEqual([typ, 401, "The token is not a bearer access token"])
    }
  })

  test("is 401 if a claim that we read is nested thousands deep", async () => {
    const deep: unknown = JSON.parse(`${"[".repeat(3000)}${"]".repeat(3000)}`)
    for (const claim of ["aud", "azp", "sub", "realm_access", "resource_access"]) {
      const { status, json } = await responseTo({}, { [claim]: deep })
      expect([claim, status, json.detail]).toEqual([claim, 401, "The token is malformed"])
    }
    for (const line of owned.logs) expect(line.length).toBeLessThan(2000)
    expect((await responseTo({}, { scope: deep })).status).toBe(200)
  })

  test("is 401 if the header requires an extension that is not understood (RFC 7515 section 4.1.11)", async () => {
    for (const header of [
      { crit: ["exp"], exp: 1 },
      { crit: [] },
      { crit: "exp" },
      { crit: ["b64"], b64: false },
      { typ: 5 },
      { typ: [] },
    ]) {
      expect([header, (await responseTo(header)).status]).toEqual([header, 401])
    }
  })
})

test("a token signed by a published key of 1024 bits is 401 (RFC 8725 section 3.2)", async () => {
  const short = generateKeyPairSync("rsa", { modulusLength: 1024 })
  const key = { ...short.publicKey.export({ format: "jwk" }), kid: "short", use: "sig", alg: "RS256" } as Any
  const weak = await startLockedProxy({
    prepare: ({ faults }) => void faults.set("issuer", { path: jwksPath, body: { json: { keys: [key] } } }),
  })
  try {
    const content = `${encoded({ alg: "RS256", kid: "short" })}.${encoded(claimsOf(await weak.sandbox.issuer.issueToken()))}`
    const signature = sign("sha256", Buffer.from(content), short.privateKey).toString("base64url")
    expect((await weak.bearing(`${content}.${signature}`)).status).toBe(401)
  } finally {
    await weak.close()
  }
})
