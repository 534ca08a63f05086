/** Whether `length` bytes are equal: for names, where a call of `memory.compare` costs more than the comparison. */
export function equalBytes(a: usize, b: usize, length: usize): bool {
  if (length > 16) return load<u64>(a) == load<u64>(b) && memory.compare(a + 8, b + 8, length - 8) == 0;
  if (length >= 8) return load<u64>(a) == load<u64>(b) && load<u64>(a + length - 8) == load<u64>(b + length - 8);
  if (length >= 4) return load<u32>(a) == load<u32>(b) && load<u32>(a + length - 4) == load<u32>(b + length - 4);
  for (let i: usize = 0; i < length; i++) if (load<u8>(a + i) != load<u8>(b + i)) return false;
  return true;
}
