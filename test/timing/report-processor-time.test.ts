import { test } from "vitest";
import { costliestFiles } from "./report-processor-time.ts";

test("the costliest file comes first, and a process that runs several files counts none of them twice", ({
  expect,
}) => {
  const times = [
    { file: "a", pid: 1, seconds: 2 },
    { file: "b", pid: 2, seconds: 7 },
    { file: "c", pid: 1, seconds: 6 },
  ];
  expect(costliestFiles(times)).toEqual([
    { file: "b", seconds: 7 },
    { file: "c", seconds: 4 },
    { file: "a", seconds: 2 },
  ]);
});
