import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { type Any, aProxy, asked, started, startProxy, type TestedProxy, until } from "./a-proxy.ts"
import { aWorld } from "./a-world.ts"

let proxy: TestedProxy
beforeAll(async () => {
  proxy = await startProxy({ world: aWorld(10) })
  await proxy.list()
})
afterAll(() => proxy.close())

const problem = (type: string, name: string, msg: string, input: string) => ({ type, loc: ["query", name], msg, input })
const notAnInteger = (name: string, input: string) =>
  problem("int_parsing", name, "Input should be a valid integer, unable to parse string as an integer", input)
const tooSmall = (name: string, input: string) =>
  problem("greater_than_equal", name, "Input should be greater than or equal to 1", input)
const tooLarge = (name: string, input: string) =>
  problem("less_than_equal", name, "Input should be less than or equal to 500", input)
const noState = (input: string) =>
  problem(
    "enum",
    "state",
    "Input should be 'Creating', 'OK', 'Erred', 'Updating', 'Terminating' or 'Terminated'",
    input,
  )
const noFlag = (input: string) =>
  problem("bool_parsing", "debug", "Input should be a valid boolean, unable to interpret input", input)

const refused = async (query: string) => {
  const { status, headers, json } = await proxy.list(query)
  expect([query, status]).toEqual([query, 422])
  expect(headers.get("content-type")).toMatch(/^application\/json/)
  expect(Object.keys(json)).toEqual(["detail"])
  return json.detail as ReadonlyArray<Any>
}

describe("storage_system", () => {
  const help = "Use: ?storage_system=capstor or ?storage_system=vast or ?storage_system=iopsstor"

  test("is refused for another value with the documented body", async () => {
    for (const value of ["bogus", "Capstor", "capstor%20", "constructor", "capstor%2Cvast", "%00"]) {
      expect(await refused(`storage_system=${value}`)).toEqual([
        {
          type: "enum_validation",
          loc: ["query", "storage_system"],
          msg: "Invalid storage_system value.",
          ctx: { allowed_values: ["capstor", "vast", "iopsstor"], help },
        },
      ])
    }
  })

  test("is refused if empty with the documented body", async () => {
    for (const query of ["storage_system=", "storage_system", "storage_system=vast&storage_system="]) {
      expect(await refused(query)).toEqual([
        {
          type: "enum_validation",
          loc: ["query", "storage_system"],
          msg: "storage_system cannot be empty.",
          ctx: {
            allowed_values: ["capstor", "vast", "iopsstor"],
            help: "Use ?storage_system=capstor (not just ?storage_system=)",
          },
        },
      ])
    }
  })
})

describe("integers", () => {
  test("are refused with the given value if they are not integers", async () => {
    for (const name of ["page", "page_size"]) {
      for (const input of [
        "",
        "x",
        "1.0",
        "1e2",
        "0x10",
        "1_000",
        "--1",
        "+",
        "-",
        "1 ",
        " 1",
        "1\n",
        "٣",
        "²",
        "NaN",
      ]) {
        expect(await refused(`${name}=${encodeURIComponent(input)}`)).toEqual([notAnInteger(name, input)])
      }
    }
  })

  test("are refused with the given value if they are too small or too large", async () => {
    for (const name of ["page", "page_size"]) {
      for (const input of ["0", "-0", "+0", "-1", "-99999999999999999999999", "000"]) {
        expect(await refused(`${name}=${encodeURIComponent(input)}`)).toEqual([tooSmall(name, input)])
      }
    }
    for (const input of ["501", "+501", "9007199254740993", "9".repeat(400)]) {
      expect(await refused(`page_size=${encodeURIComponent(input)}`)).toEqual([tooLarge("page_size", input)])
    }
  })

  test("may have a sign and leading zeros", async () => {
    const plain = (await proxy.list("page=2&page_size=5")).json
    for (const query of ["page=%2B2&page_size=%2B5", "page=002&page_size=0000000000000005"]) {
      const { status, json } = await proxy.list(query)
      expect([query, status]).toEqual([query, 200])
      expect(json).toEqual(plain)
    }
    expect((await proxy.list("page_size=500")).status).toBe(200)
    expect((await proxy.list("page_size=1")).json.resources.length).toBe(1)
  })
})

test("an unknown state is refused, including an empty one and one in another case", async () => {
  for (const input of ["", "ok", "active", "Deleted", "OK "]) {
    expect(await refused(`state=${encodeURIComponent(input)}`)).toEqual([noState(input)])
  }
})

test("debug accepts its eight words in any case, and nothing else", async () => {
  for (const word of ["true", "TRUE", "True", "1", "yes", "YES", "on", "oN"]) {
    const { status, json } = await proxy.list(`debug=${word}`)
    expect([word, status, json.debug_mode]).toEqual([word, 200, true])
  }
  for (const word of ["false", "False", "0", "no", "NO", "off", "OFF"]) {
    const { status, json } = await proxy.list(`debug=${word}`)
    expect([word, status, "debug_mode" in json]).toEqual([word, 200, false])
  }
  for (const input of ["", "t", "y", "2", "truee", " true", "constructor", "null"]) {
    expect(await refused(`debug=${encodeURIComponent(input)}`)).toEqual([noFlag(input)])
  }
})

test("all problems of a query are reported at once", async () => {
  const detail = await refused("debug=maybe&page_size=501&page=zero&state=gone&storage_system=tape&status=x&data_type=")
  expect(new Map(detail.map((one) => [one.loc[1], one]))).toEqual(
    new Map([
      ["storage_system", expect.objectContaining({ type: "enum_validation" })],
      ["state", noState("gone")],
      ["page", notAnInteger("page", "zero")],
      ["page_size", tooLarge("page_size", "501")],
      ["debug", noFlag("maybe")],
    ]),
  )
  expect(detail.length).toBe(5)
})

test("the last value of a repeated parameter is validated", async () => {
  expect(await refused("page=1&page=2&page=last")).toEqual([notAnInteger("page", "last")])
  expect(await refused("debug=true&debug=huh")).toEqual([noFlag("huh")])
})

test("a refused query calls no upstream", async () => {
  const before = proxy.sandbox.calls.all.length
  await refused("page=0&debug=true&storage_system=bogus")
  expect(proxy.sandbox.calls.all.length).toBe(before)
})

describe("other paths and methods", () => {
  test("an unknown path is 404 NotFound", async () => {
    for (const path of ["/", "/api", "/api/storage-resources/1", "/healthz", "/openapi.yaml", "/docs/../etc/passwd"]) {
      const { status, json } = await proxy.get(path)
      expect([path, status, json]).toEqual([path, 404, { detail: "Not Found", error: "NotFound" }])
    }
  })

  test("another method is 405 with Allow, on every existing path", async () => {
    const every = [
      "/api/storage-resources/",
      "/api/storage-resources",
      "/healthz/live",
      "/healthz/ready",
      "/openapi.json",
      "/favicon.svg",
      "/docs",
      "/docs/",
      "/docs/start.js",
      "/docs/swagger-ui.css",
      "/docs/swagger-ui-bundle.js",
    ]
    for (const path of every) {
      for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
        const { status, headers, json } = await proxy.get(path, { method })
        expect([method, path, status]).toEqual([method, path, 405])
        expect(headers.get("allow")).toBe("GET, HEAD")
        expect(json).toEqual({ detail: "Method Not Allowed", error: "MethodNotAllowed" })
      }
    }
  })

  test("an internal error is 500 and reveals nothing", async () => {
    const broken = await aProxy({ world: aWorld(5) })
    broken.app.get("/broken", () => {
      throw new Error("the password is hunter2")
    })
    const { status, text } = await broken.get("/broken")
    expect(status).toBe(500)
    expect(text).toBe('{"detail":"Internal Server Error","error":"InternalServerError"}')
    expect(broken.logs.some((line) => line.includes('"level":"ERROR"') && line.includes("hunter2"))).toBe(true)
  })
})

describe("with authentication on", () => {
  const locked = () =>
    aProxy({
      world: aWorld(5),
      document: ({ issuer }) => ({
        auth: { keycloak_url: issuer.baseUrl, keycloak_client_id: issuer.audience.clientId },
      }),
    })

  test("a token of the issuer for our audience opens the list, and debug mode", async () => {
    const closed = await locked()
    const now = started / 1000
    const token = await closed.sandbox.issuer.issueToken({ iat: now, exp: now + 300 })
    for (const query of ["page_size=1", "debug=true"]) {
      const { status } = await closed.get(`/api/storage-resources/?${query}`, {
        headers: { Authorization: `Bearer ${token}` },
      })
      expect(status).toBe(200)
    }
  })

  test("any other request is 401 before its query is validated", async () => {
    const closed = await locked()
    await closed.list()
    const attempts: ReadonlyArray<readonly [RequestInit, string | RegExp]> = [
      [{}, "Bearer"],
      [{ method: "HEAD" }, "Bearer"],
      ...["Bearer", `Token ${closed.sandbox.waldur.token}`, "Basic YTpi"].map(
        (header) => [{ headers: { Authorization: header } }, /^Bearer$/] as const,
      ),
      ...["Bearer a b", "Bearer abc"].map(
        (header) =>
          [{ headers: { Authorization: header } }, 'Bearer error="invalid_token", error_description="'] as const,
      ),
    ]
    for (const path of [
      "/api/storage-resources/",
      "/api/storage-resources",
      "/api/storage-resources/?page=0&debug=true",
    ]) {
      for (const [init, challenge] of attempts) {
        const { status, headers, text, json } = await closed.get(path, init)
        expect(status).toBe(401)
        expect(headers.get("www-authenticate")).toMatch(challenge)
        expect(headers.get("link")).toBeNull()
        if (init.method === "HEAD") expect(text).toBe("")
        else {
          expect(Object.keys(json)).toEqual(["detail", "error", "help"])
          expect(json.error).toBe("AuthenticationError")
          expect(json.help).toContain("Authorization: Bearer")
        }
      }
    }
  })

  test("a refused request fetches nothing", async () => {
    const closed = await locked()
    // The first refresh is the proxy's own.
    while ((await closed.ready()).status !== 200) await closed.pass(0)
    await closed.pass("1 hour")
    const before = asked(closed.sandbox, "waldur").length
    const token = await closed.sandbox.issuer.issueToken({ aud: "another-client", azp: "another-client" })
    for (const query of ["", "debug=true"]) {
      const { status } = await closed.get(`/api/storage-resources/?${query}`, {
        headers: { Authorization: `Bearer ${token}` },
      })
      expect(status).toBe(401)
    }
    expect(asked(closed.sandbox, "waldur").length).toBe(before)
  })

  test("health and the API's description stay public", async () => {
    const closed = await locked()
    for (const path of ["/healthz/live", "/openapi.json", "/docs/"]) expect((await closed.get(path)).status).toBe(200)
    expect([200, 503]).toContain((await closed.ready()).status)
  })
})

test("a request that waits when the process stops is 503 with Retry-After, and not an internal error", async () => {
  const proxy = await startProxy({ world: aWorld(5), prepare: ({ faults }) => faults.set("waldur", { hang: true }) })
  const open = proxy.list()
  await until(() => asked(proxy.sandbox, "waldur").length > 0)
  await proxy.close()
  const { status, headers, json } = await open
  expect([status, json.error]).toEqual([503, "Stopping"])
  expect(Number(headers.get("retry-after"))).toBeGreaterThan(0)
})

describe("an upstream failure with no list held", () => {
  test("is 502 UpstreamServiceError with a message, and names no host", async () => {
    const failing = await aProxy({ world: aWorld(5), prepare: ({ faults }) => faults.set("waldur", { status: 403 }) })
    const { status, text, json } = await failing.list()
    expect(status).toBe(502)
    expect(Object.keys(json)).toEqual(["detail", "error", "message"])
    expect(json.error).toBe("UpstreamServiceError")
    expect(json.message).not.toBe("")
    expect(text).not.toMatch(/127\.0\.0\.1|http|localhost|permission/)
    // The log has what the response omits.
    expect(failing.logs.some((line) => line.includes("403") && line.includes(failing.sandbox.waldur.url))).toBe(true)
  })

  test("is 502 for the HPC User API as well, and names no host", async () => {
    const failing = await aProxy({
      world: aWorld(5),
      prepare: ({ faults }) => faults.set("hpcUserApi", { status: 403 }),
    })
    const { status, text, json } = await failing.list()
    expect([status, json.error]).toEqual([502, "UpstreamServiceError"])
    expect(text).not.toMatch(/127\.0\.0\.1|http:|localhost/)
  })
})
