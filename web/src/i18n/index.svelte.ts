import { en } from './en';
import { zh, type Dictionary } from './zh';

export type Locale = 'zh-CN' | 'en';

export const dictionaries: Record<Locale, Dictionary> = { 'zh-CN': zh, en };

export function systemLocale(): Locale {
  return navigator.languages.some((language) => language.toLowerCase().startsWith('zh')) ? 'zh-CN' : 'en';
}

let current = $state<Locale>('en');

export function locale(): Locale {
  return current;
}

export function setLocale(wanted: Locale | ''): void {
  current = wanted === '' ? systemLocale() : wanted;
  document.documentElement.lang = current;
}

/** The words of the page in the language of now: `t().nav.agents`. */
export function t(): Dictionary {
  return dictionaries[current];
}
