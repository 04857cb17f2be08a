/** Hand-written resources without oddities. */
import { spec } from "./case-spec.ts"

/** Ordinary research groups: every offering with every data type, and every state. */
export const PLAIN = [
  spec("capstor-store", "project storage on Capstor", "ethz", "climphys", "Storylines of extreme events", {
    storage: 800,
    options: null,
    backendId: "capstor/climphys/000",
  }),
  spec("capstor-archive", "archive on Capstor", "mch", "reanalysis-ch", "Swiss regional reanalysis", {
    dataType: "archive",
    storage: 2500,
  }),
  spec("capstor-users", "home directories on Capstor", "epfl", "cosmo-lab", "Atomistic machine learning", {
    dataType: "users",
    storage: 20,
  }),
  spec("capstor-scratch", "scratch on Capstor", "uzh", "ics-cosmo", "Simulations for the Euclid mission", {
    dataType: "scratch",
    storage: 1200,
    options: { permissions: "2770", soft_quota_space: 1200, hard_quota_space: 1400 },
  }),
  spec("vast-store", "project storage on VAST", "psi", "swissfel-daq", "SwissFEL serial crystallography", {
    offering: "vast",
    storage: 350,
    backendMetadata: { gid: 30009, mountPoint: "/vast/store/cscs/psi/swissfel-daq" },
  }),
  spec("vast-archive", "archive on VAST", "cern", "atlas-tier2", "ATLAS Tier-2", {
    offering: "vast",
    dataType: "archive",
    storage: 4000,
  }),
  spec("vast-users", "home directories on VAST", "unibas", "cryoem", "Cryo-EM of molecular machines", {
    offering: "vast",
    dataType: "users",
    storage: 15,
  }),
  spec("vast-scratch", "scratch on VAST", "unibe", "lqcd-bern", "Lattice QCD at the physical point", {
    offering: "vast",
    dataType: "scratch",
    storage: 600,
  }),
  spec("iopsstor-store", "project storage on IOPSStor", "epfl", "microcircuits", "Cortical microcircuits", {
    offering: "iopsstor",
    storage: 90,
  }),
  spec("iopsstor-archive", "archive on IOPSStor", "empa", "nanotech-surf", "On-surface synthesis of nanoribbons", {
    offering: "iopsstor",
    dataType: "archive",
    storage: 30,
  }),
  spec("iopsstor-users", "home directories on IOPSStor", "usi", "ics-hpc", "Solvers for cardiac simulation", {
    offering: "iopsstor",
    dataType: "users",
    storage: 5,
  }),
  spec("iopsstor-scratch", "scratch on IOPSStor", "eawag", "lake-models", "Deep mixing of Alpine lakes", {
    offering: "iopsstor",
    dataType: "scratch",
    storage: 40,
  }),
  spec(
    "same-project-other-system",
    "a second resource of a project, on another system",
    "psi",
    "swissfel-daq",
    "SwissFEL serial crystallography",
    {
      dataType: "archive",
      storage: 900,
    },
  ),
  spec(
    "same-project-other-type",
    "a second resource of a project, with another data type, created at the same microsecond as the one before",
    "ethz",
    "climphys",
    "Storylines of extreme events",
    {
      dataType: "scratch",
      storage: 150,
      tied: true,
    },
  ),
  spec("one-of-a-large-group", "one more project of a customer with many", "ethz", "exclaim", "Kilometre-scale ICON"),
  spec(
    "created-tied-first",
    "created at the same microsecond as the next two",
    "ethz",
    "mat-nano",
    "Nanocrystal spectra",
  ),
  spec(
    "created-tied-second",
    "created at the same microsecond as its neighbours",
    "ethz",
    "mat-bulk",
    "Bulk metallic glasses",
    {
      tied: true,
    },
  ),
  spec(
    "created-tied-third",
    "created at the same microsecond as the two before",
    "wsl",
    "snow-model",
    "Snow cover of the Alps",
    {
      tied: true,
    },
  ),
  spec("terminated", "removed, but Waldur keeps the row", "unige", "exo-atmos", "Atmospheres of exoplanets", {
    state: "Terminated",
  }),
  spec("erred-without-order", "Erred, without an order", "unil", "ice-flow", "Flow of Greenland's glaciers", {
    state: "Erred",
  }),
  spec("erred-with-order", "Erred while an Update is executing", "unifr", "soft-matter", "Self-assembly of colloids", {
    state: "Erred",
    order: { type: "Update", state: "executing", attributes: { old_limits: { storage: 50 } }, limits: { storage: 80 } },
  }),
  spec(
    "erred-terminate-pending",
    "Erred with a Terminate at the provider",
    "unisg",
    "macro-agents",
    "Agent-based economies",
    {
      state: "Erred",
      order: { type: "Terminate", state: "pending-provider" },
    },
  ),
  spec(
    "creating-without-order",
    "Creating although no order is in progress",
    "sib",
    "swissprot-fold",
    "Folding of UniProt entries",
    {
      state: "Creating",
    },
  ),
  spec(
    "updating-without-order",
    "Updating although no order is in progress",
    "sib",
    "phylo-flu",
    "Phylodynamics of influenza",
    {
      state: "Updating",
    },
  ),
  spec(
    "terminating-without-order",
    "Terminating although no order is in progress",
    "sib",
    "old-blast",
    "BLAST databases of 2019",
    {
      state: "Terminating",
    },
  ),
]
