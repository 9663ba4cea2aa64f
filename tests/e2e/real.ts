// Starts `jiang serve` with a home of its own.
import type { Site } from './site';

export async function startReal(_binary: string, _prefix: string): Promise<Site> {
  throw new Error('this build has no `jiang serve` yet: run with JIANG_E2E=mock');
}
