/**
 * @module
 * A caller of the HTTP API as any script is: plain requests, polled as Azure's long-running operations are.
 */

const API_VERSION = "2026-06-01";

/** Paths below it are what `az rest` would be given. */
export const GROUP = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/demo";

/** The ARM id of a storage account, which the app finds by its name. */
export function storageAccountId(account: string): string {
  return `${GROUP}/providers/Microsoft.Storage/storageAccounts/${account}`;
}

/** An answer that is no success. */
export class ArmError extends Error {
  override readonly name = "ArmError";
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(`${status} ${code}: ${message}`);
    this.status = status;
    this.code = code;
  }
}

export interface ArmAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** One job, as far as callers look. */
export interface ArmJob {
  readonly name: string;
  readonly properties: {
    readonly status: string;
    readonly extendedInfo?: {
      readonly additionalDetails?: Readonly<Record<string, string>>;
      readonly dataTransferredInBytes?: number;
      readonly warningDetails?: readonly { readonly resourceName?: string; readonly warning: ArmFailure }[];
    };
    readonly errorDetails?: readonly ArmFailure[];
  };
}

interface ArmFailure {
  readonly code?: string;
  readonly message?: string;
}

export interface ArmClient {
  /** @throws ArmError when the answer is no success */
  request(method: "GET" | "PUT" | "POST", path: string, body?: unknown): Promise<ArmAnswer>;
  /** Sends a request and waits for the end of the operation that it began. @returns the body of its result */
  run(method: "PUT" | "POST" | "DELETE", path: string, body: unknown): Promise<unknown>;
  /** Sends a POST that starts a job. @returns the job's path, at once */
  startJob(path: string, body: unknown): Promise<string>;
  /** Waits until a job has ended. */
  waitForJob(path: string, onProgress?: (job: ArmJob) => void): Promise<ArmJob>;
}

/** What a job is called that has not ended. */
const OPEN_STATUSES: ReadonlySet<string> = new Set(["InProgress", "Cancelling"]);

/** Time between two looks at a job that runs. */
const POLL_MS = 200;

export function openArmClient(baseUrl: string): ArmClient {
  async function request(method: string, path: string, body?: unknown): Promise<ArmAnswer> {
    const url = new URL(path, baseUrl);
    if (!url.searchParams.has("api-version")) url.searchParams.set("api-version", API_VERSION);
    const response = await fetch(url, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    const text = await response.text();
    const answer = { status: response.status, headers: response.headers, body: parse(text) };
    if (response.ok) return answer;
    const { error } = (answer.body ?? {}) as { error?: { code?: string; message?: string } };
    throw new ArmError(response.status, error?.code ?? "none", error?.message ?? text);
  }

  async function waitForOperation(answer: ArmAnswer): Promise<void> {
    const monitor = answer.headers.get("azure-asyncoperation");
    if (monitor === null) return;
    for (;;) {
      const operation = (await request("GET", monitor)).body as Operation;
      if (operation.status === "Succeeded") return;
      if (operation.status !== "Inprogress") {
        throw new ArmError(200, operation.error?.code ?? operation.status, operation.error?.message ?? "no message");
      }
      await pause(POLL_MS);
    }
  }

  return {
    request,
    run: async (method, path, body) => {
      const answer = await request(method, path, body);
      await waitForOperation(answer);
      const location = answer.headers.get("location");
      return location === null ? answer.body : (await request("GET", location)).body;
    },
    startJob: async (path, body) => {
      const answer = await request("POST", path, body);
      const monitor = answer.headers.get("azure-asyncoperation");
      if (monitor === null) throw new Error(`POST ${path} began no operation`);
      const { properties } = (await request("GET", monitor)).body as Operation;
      if (properties?.jobId === undefined) throw new Error("the operation names no job");
      return properties.jobId;
    },
    waitForJob: async (path, onProgress) => {
      for (;;) {
        const job = (await request("GET", path)).body as ArmJob;
        onProgress?.(job);
        if (!OPEN_STATUSES.has(job.properties.status)) return job;
        await pause(POLL_MS);
      }
    },
  };
}

interface Operation {
  readonly status: string;
  readonly error?: { readonly code?: string; readonly message?: string };
  readonly properties?: { readonly jobId?: string };
}

function parse(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
