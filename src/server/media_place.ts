import type { MediaKind } from "../families/family.ts";

/** Where the medium is named in the request, for errors. */
export interface MediaPlace {
  kind: MediaKind;
  param: string;
}
