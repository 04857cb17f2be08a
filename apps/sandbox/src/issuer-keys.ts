/** The mock issuer's keys, and their rotation. */
import type { KeyObject } from "node:crypto"
import { generateKeyPair, randomUUID } from "node:crypto"
import { promisify } from "node:util"
import { exportJWK, type JWK } from "jose"

/** A key pair of the issuer and the kid under which it is published. */
export interface IssuerKey {
  kid: string
  publicKey: KeyObject
  privateKey: KeyObject
}

/** Keycloak publishes two RSA keys; only the first is for signatures. */
export interface KeySet {
  signing: IssuerKey
  encryption: IssuerKey
}

/** Keys are random, so that no test can depend on them. */
export async function newKey(): Promise<IssuerKey> {
  const pair = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 })
  return { kid: randomUUID().replaceAll("-", ""), ...pair }
}

export async function newKeySet(): Promise<KeySet> {
  const [signing, encryption] = await Promise.all([newKey(), newKey()])
  return { signing, encryption }
}

/** The public half as an entry of the JWKS. */
export async function publishedKey(key: IssuerKey, use: "sig" | "enc"): Promise<JWK> {
  const jwk = await exportJWK(key.publicKey)
  return { kid: key.kid, alg: use === "sig" ? "RS256" : "RSA-OAEP", use, ...jwk }
}
