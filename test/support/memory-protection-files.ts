import { VaultError } from "../../src/foundation/errors.ts";
import type { BackupInstance } from "../../src/instances/backup-instance.ts";
import { instanceFileOf, policyFileOf, vaultFileOf } from "../../src/instances/protection-documents.ts";
import type { ProtectionFiles } from "../../src/instances/protection-files.ts";
import { type VaultRecord, vaultKey } from "../../src/instances/vault-record.ts";
import type { PolicyRecord } from "../../src/policies/policy-record.ts";
import type { VaultAccount } from "../../src/rebuild/rebuild-request.ts";
import { INSTANCE_FILE, instanceOfContainer, vaultContainerName } from "../../src/vault/names.ts";
import { policyDocumentPath, VAULT_DOCUMENT, vaultFilesContainer } from "../../src/vault/vault-document.ts";
import type { VaultFile } from "../../src/vault/vault-files.ts";
import { encodeDocument } from "../../src/vault/version.ts";

interface MemoryFile {
  readonly content: Uint8Array;
  readonly metadata: Readonly<Record<string, string>>;
}

/** In-memory documents of a vault account, byte for byte. */
export class MemoryProtectionFiles implements ProtectionFiles {
  readonly containers = new Map<string, Map<string, MemoryFile>>();
  /** Number of writes and deletes so far. */
  writes = 0;

  /** The same files, through the interface of a rebuild. */
  get vaultAccount(): VaultAccount {
    const names = () => [...this.containers.keys()].sort();
    return {
      containers: async function* (prefix) {
        yield* names().filter((name) => name.startsWith(prefix));
      },
      files: (container) => ({
        read: (path) => this.read(container, path),
        list: (prefix, from) => this.list(container, prefix, from),
      }),
    };
  }

  /** Ids of the instances that have a container, ascending. */
  get instances(): string[] {
    const containers = [...this.containers.keys()].sort();
    return containers.flatMap((name) => instanceOfContainer(name) ?? []);
  }

  /** `instance.json` of an instance. */
  document(instanceId: string): unknown {
    const file = this.containers.get(vaultContainerName(instanceId))?.get(INSTANCE_FILE);
    return file && JSON.parse(new TextDecoder().decode(file.content));
  }

  async ensure(instance: BackupInstance): Promise<void> {
    this.write(vaultContainerName(instance.id), INSTANCE_FILE, encodeDocument(instanceFileOf(instance)));
  }

  async remove(instanceId: string): Promise<void> {
    this.#removeContainer(vaultContainerName(instanceId), INSTANCE_FILE);
  }

  async ensureVault(vault: VaultRecord): Promise<void> {
    this.write(containerOf(vault.armId), VAULT_DOCUMENT, encodeDocument(vaultFileOf(vault)));
  }

  async removeVault(vaultArmId: string): Promise<void> {
    this.#removeContainer(containerOf(vaultArmId), VAULT_DOCUMENT);
  }

  async ensurePolicy(vaultArmId: string, policy: PolicyRecord): Promise<void> {
    this.write(containerOf(vaultArmId), policyDocumentPath(policy.name), encodeDocument(policyFileOf(policy)));
  }

  async removePolicy(vaultArmId: string, policyName: string): Promise<void> {
    this.writes += 1;
    this.containers.get(containerOf(vaultArmId))?.delete(policyDocumentPath(policyName));
  }

  /** Writes any file; creates its container if there is none. */
  write(container: string, path: string, content: Uint8Array, metadata: MemoryFile["metadata"] = {}): void {
    this.writes += 1;
    const files = this.containers.get(container) ?? new Map<string, MemoryFile>();
    this.containers.set(container, files.set(path, { content, metadata }));
  }

  async read(container: string, path: string): Promise<Uint8Array | undefined> {
    return this.containers.get(container)?.get(path)?.content;
  }

  async *list(container: string, prefix: string, from = ""): AsyncGenerator<VaultFile> {
    const files = [...(this.containers.get(container) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [path, { content, metadata }] of files) {
      if (!path.startsWith(prefix) || path < from) continue;
      yield { path, size: content.length, metadata, etag: String(this.writes), writtenAt: new Date(0) };
    }
  }

  #removeContainer(container: string, file: string): void {
    const other = [...(this.containers.get(container)?.keys() ?? [])].find((path) => path !== file);
    if (other !== undefined) throw new VaultError("storage/conflict", `container '${container}' holds '${other}'`);
    this.writes += 1;
    this.containers.delete(container);
  }
}

function containerOf(vaultArmId: string): string {
  return vaultFilesContainer(vaultKey(vaultArmId));
}
