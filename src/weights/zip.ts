/**
 * The list of files in a ZIP archive, as PyTorch writes it: stored without compression, with 64-bit sizes where needed
 * (PKWARE's APPNOTE 6.3.10, §4.3). Only where the bytes lie is told; nothing is unpacked.
 */
import { type DiskFile, readFully } from "./disk_file.ts";

export interface ZipEntry {
  name: string;
  /** Where the file's bytes begin in the archive. */
  at: number;
  size: number;
}

const END = 0x06054b50, END64 = 0x06064b50, LOCATOR64 = 0x07064b50, CENTRAL = 0x02014b50, LOCAL = 0x04034b50;
/** The record at the end, without its comment, and the longest comment. */
const END_SIZE = 22, MOST_COMMENT = 0xffff;
const MOST_DIRECTORY = 256 << 20;

/** @throws Error that says what is wrong, without the file's name */
export function readZip(file: DiskFile): Map<string, ZipEntry> {
  const size = file.size();
  const { count, at, length } = directoryOf(file, size);
  const view = read(file, at, length);
  const entries = new Map<string, ZipEntry>();
  for (let i = 0, p = 0; i < count; i++) {
    if (p + 46 > length || view.getUint32(p, true) !== CENTRAL) {
      throw new Error("its list of files is damaged");
    }
    const nameLength = view.getUint16(p + 28, true), extra = view.getUint16(p + 30, true);
    const next = p + 46 + nameLength + extra + view.getUint16(p + 32, true);
    if (next > length) throw new Error("its list of files is cut off");
    const name = new TextDecoder().decode(new Uint8Array(view.buffer, p + 46, nameLength));
    const wide = wideFields(view, p + 46 + nameLength, extra);
    const field = (offset: number): number => {
      const value = view.getUint32(offset, true);
      return value === 0xffffffff ? wide() : value;
    };
    const unpacked = field(p + 24), packed = field(p + 20), header = field(p + 42);
    if (view.getUint16(p + 8, true) & 1) throw new Error(`${name} in it is encrypted`);
    if (view.getUint16(p + 10, true) !== 0 || packed !== unpacked) {
      throw new Error(`${name} in it is compressed`);
    }
    if (entries.has(name)) throw new Error(`it holds ${name} twice`);
    entries.set(name, { name, at: dataOf(file, size, name, header, packed), size: unpacked });
    p = next;
  }
  return entries;
}

/** Where the central directory lies. */
function directoryOf(file: DiskFile, size: number): { count: number; at: number; length: number } {
  const tail = Math.min(size, END_SIZE + MOST_COMMENT);
  const view = read(file, size - tail, tail);
  for (let p = tail - END_SIZE; p >= 0; p--) {
    if (view.getUint32(p, true) !== END || p + END_SIZE + view.getUint16(p + 20, true) !== tail) continue;
    const short = {
      count: view.getUint16(p + 10, true),
      length: view.getUint32(p + 12, true),
      at: view.getUint32(p + 16, true),
    };
    const wide = p >= 20 && view.getUint32(p - 20, true) === LOCATOR64;
    return within(wide ? wideEnd(file, number64(view, p - 12), size) : short, size);
  }
  throw new Error("it is no ZIP archive, or cut off");
}

function wideEnd(file: DiskFile, at: number, size: number) {
  if (at + 56 > size) throw new Error("its end is damaged");
  const view = read(file, at, 56);
  if (view.getUint32(0, true) !== END64) throw new Error("its end is damaged");
  return { count: number64(view, 32), length: number64(view, 40), at: number64(view, 48) };
}

function within<T extends { at: number; length: number }>(directory: T, size: number): T {
  if (directory.length > MOST_DIRECTORY || directory.at + directory.length > size) {
    throw new Error("its list of files lies outside of it");
  }
  return directory;
}

/** Values of the ZIP64 extra field, one after the other. */
function wideFields(view: DataView, start: number, length: number): () => number {
  let at = -1, end = -1;
  for (let p = start; p + 4 <= start + length;) {
    const size = view.getUint16(p + 2, true);
    if (view.getUint16(p, true) === 1 && p + 4 + size <= start + length) [at, end] = [p + 4, p + 4 + size];
    p += 4 + size;
  }
  return () => {
    if (at < 0 || at + 8 > end) throw new Error("a size in its list of files is missing");
    at += 8;
    return number64(view, at - 8);
  };
}

/** Behind the local header, whose name and extra field may differ in length from the directory's. */
function dataOf(file: DiskFile, size: number, name: string, header: number, length: number): number {
  if (header + 30 > size) throw new Error(`${name} lies outside of it`);
  const view = read(file, header, 30);
  if (view.getUint32(0, true) !== LOCAL) throw new Error(`${name} in it is damaged`);
  const at = header + 30 + view.getUint16(26, true) + view.getUint16(28, true);
  if (at + length > size) throw new Error(`${name} lies outside of it`);
  return at;
}

function number64(view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error("a size in it is too large");
  return Number(value);
}

function read(file: DiskFile, at: number, length: number): DataView<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  file.seek(at);
  if (readFully(file, bytes) < length) throw new Error("it is cut off");
  return new DataView(bytes.buffer);
}
