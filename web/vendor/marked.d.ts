/** What the page uses of marked. */
interface Token {
  text: string;
  href?: string;
  checked?: boolean;
}
export class Marked {
  constructor(options: { gfm: boolean; breaks: boolean; renderer: Record<string, (token: Token) => string> });
  parse(text: string, options: { async: false }): string;
}
