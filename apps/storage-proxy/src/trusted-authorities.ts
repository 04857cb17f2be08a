/** Certificate authorities from the environment (`SSL_CERT_FILE`, `SSL_CERT_DIR`). */
import { X509Certificate } from "node:crypto"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { delimiter, join } from "node:path"
import { getCACertificates, setDefaultCACertificates } from "node:tls"

/** Maximum size of one file in bytes. A system's whole bundle is about 250 kB. */
const maxBytes = 8 * 1024 * 1024
/** Maximum number of files in a directory. A system's has about 300, each certificate under two names. */
const maxFiles = 2_000

/**
 * Trusts the authorities of `SSL_CERT_FILE` and `SSL_CERT_DIR` in addition to the system's, for each connection of this
 * process without its own authorities. OpenSSL, Python and Go read these variables; Node reads only
 * `NODE_EXTRA_CA_CERTS`.
 *
 * @returns how many were added, and one line for each ignored setting
 */
export const trustAuthorities = (
  environment: Readonly<Record<string, string | undefined>>,
): { readonly added: number; readonly warnings: ReadonlyArray<string> } => {
  const warnings: Array<string> = []
  const known = new Map<string, string>()
  const added = new Map<string, string>()
  const read = (variable: string, path: string, blocksIn: (path: string) => ReadonlyArray<string>) => {
    try {
      if (known.size === 0) for (const pem of getCACertificates("default")) known.set(contentOf(pem), pem)
      let certificates = 0
      for (const block of blocksIn(path)) {
        const content = contentOf(block)
        // Parsing costs a start more than all the rest of this, and most files repeat what is known.
        const pem = known.get(content) ?? added.get(content) ?? parsed(block)
        if (pem === undefined) continue
        certificates += 1
        if (!known.has(content)) added.set(content, pem)
      }
      if (certificates === 0) warnings.push(`${variable} is ignored: ${path} holds no certificate in PEM`)
    } catch (error) {
      warnings.push(`${variable} is ignored: ${path} cannot be read: ${reasonOf(error)}`)
    }
  }
  const file = given(environment.SSL_CERT_FILE)
  if (file !== undefined) read("SSL_CERT_FILE", file, blocksOfFile)
  for (const directory of given(environment.SSL_CERT_DIR)?.split(delimiter) ?? []) {
    if (directory !== "") read("SSL_CERT_DIR", directory, blocksOfDirectory)
  }
  for (const variable of ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]) {
    const path = given(environment[variable])
    if (path !== undefined && path !== file) warnings.push(`${variable} is not read: name the file in SSL_CERT_FILE`)
  }
  if (added.size > 0) setDefaultCACertificates([...known.values(), ...added.values()])
  return { added: added.size, warnings }
}

/** The bytes of a certificate as one string: as PEM it can be written in several ways. */
const contentOf = (pem: string) => Buffer.from(pem.replace(/-----[^-]+-----/g, ""), "base64").toString("base64")

/** The certificate in its usual form; `undefined` if it is not one. */
const parsed = (block: string): string | undefined => {
  try {
    return new X509Certificate(block).toString()
  } catch {
    return undefined
  }
}

const given = (value: string | undefined) => value?.trim() || undefined

const blocksOfFile = (path: string): ReadonlyArray<string> => {
  const { size } = regular(path)
  if (size > maxBytes) throw new Error(`more than ${maxBytes} bytes`)
  // safe-regex: no two parts of it match the same text
  return readFileSync(path, "latin1").match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
}

const blocksOfDirectory = (path: string): ReadonlyArray<string> => {
  const names = readdirSync(path).toSorted()
  if (names.length > maxFiles) throw new Error(`more than ${maxFiles} files`)
  return names.flatMap((name) => {
    try {
      return blocksOfFile(join(path, name))
    } catch {
      // A directory, or a dangling link, as system updates leave them.
      return []
    }
  })
}

/** Reading anything else, such as a pipe, might never end. */
const regular = (path: string) => {
  const stat = statSync(path)
  if (!stat.isFile()) throw new Error("it is not a regular file")
  return stat
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error)
