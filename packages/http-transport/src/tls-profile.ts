/** How an upstream's certificate is checked. */
export interface TlsProfile {
  /** `false` accepts any certificate of the upstream: for a test system only. Default `true`. */
  readonly verify?: boolean
  /** Certificates in PEM, one or several, that are trusted in place of the system's. */
  readonly ca?: string
}

/** The profile as Node's TLS has it. */
export interface UpstreamTls {
  readonly rejectUnauthorized: boolean
  readonly ca?: string
}

export const upstreamTls = ({ verify = true, ca }: TlsProfile = {}): UpstreamTls => ({
  rejectUnauthorized: verify,
  ...(ca === undefined ? {} : { ca }),
})
