import * as z from 'zod/mini';

/** A template's name: what it is, and the beginning of a SHA-256. Safe as a path component. */
const ID = /^[a-z0-9][a-z0-9.-]{0,48}-[0-9a-f]{12}$/;
const Sha256 = z.string().check(z.regex(/^[0-9a-f]{64}$/));

export const PackageFiles = z.record(z.string().check(z.regex(/^[^/\p{C}]{1,255}$/u)), Sha256);
export type PackageFiles = z.infer<typeof PackageFiles>;

/** template.json beside each template's image. */
export const TemplateManifest = z.object({
  version: z.literal(1),
  id: z.string().check(z.regex(ID)),
  /** Of the image; of the file it was made from when `source.kind` is `import`. */
  sha256: Sha256,
  /** Of the image, where `sha256` is that of another file. */
  imageSha256: z.optional(Sha256),
  created: z.iso.datetime(),
  virtualSize: z.int().check(z.gt(0)),
  source: z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('bootstrap'),
      suite: z.string(),
      mirrors: z.array(z.string()),
    }),
    z.object({ kind: z.literal('cloud-image'), image: z.string(), checksum: z.string() }),
    z.object({
      kind: z.literal('import'),
      file: z.string(),
      format: z.string(),
      /** Device, inode, size and change time: the same file need not be read again to be known. */
      stamp: z.string(),
    }),
  ]),
  /** Operating system as in os-release, such as `debian-12`, where it is known. */
  os: z.optional(z.string()),
  /** Packages that were put in on top of the base: `name version`. */
  packages: z.array(z.string()),
  /** The files these came from, by name, with their SHA-256: whether a template is the one of a folder of packages. */
  packageFiles: z.optional(PackageFiles),
  /** Account that user-data makes when nothing else is asked for. */
  defaultUser: z.string(),
  /** Whether the guest was set up to be ready soon. */
  tuned: z.boolean(),
});

export type TemplateManifest = z.infer<typeof TemplateManifest>;

/** What a publisher knows; id, version and creation time follow. */
export type TemplateFacts = Omit<TemplateManifest, 'version' | 'id' | 'created'> & {
  /** First part of the id: `debian-12`, `image`. */
  label: string;
};

export function describeTemplate(facts: TemplateFacts, created: Date): TemplateManifest {
  const { label, ...rest } = facts;
  return {
    version: 1,
    id: templateId(label, facts.sha256),
    created: created.toISOString(),
    ...rest,
  };
}

export function templateId(label: string, sha256: string): string {
  return `${label}-${sha256.slice(0, 12)}`;
}

export function isTemplateId(text: string): boolean {
  return ID.test(text);
}
