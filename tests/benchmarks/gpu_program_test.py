"""What is read out of a program that was compiled for a GPU."""

from benchmarks import gpu_program

_CALL = (
    '  %%c.1 = (bf16[8,3,3,4]{3,2,1,0}, u8[0]{0}) custom-call(%%a, %%b), '
    'window={%s}, dim_labels=b01f_o01i->b01f, %scustom_call_target='
    '"__cudnn$%s", metadata={op_name="jit(step)/%s"}\n')


def test_calls_that_will_be_slow():
  text = "".join((
      _CALL % ("size=3x3 pad=1_1x1_1", "", "convForward", "fine"),
      _CALL % ("size=41x41 stride=2x2 pad=2_2x2_2", "", "convForward", "bad"),
      _CALL % ("size=5x5 pad=2_2x2_2", "feature_group_count=96, ",
               "convForward", "depthwise"),
      _CALL % ("size=7x7", "feature_group_count=1, ", "convBackwardFilter",
               "stem"),
      '  %d = f32[2] custom-call(%a), custom_call_target="__cublas$gemm"\n'))
  kinds, suspicious = gpu_program.calls(text)
  assert kinds == {"convForward": 3, "convBackwardFilter": 1}
  assert suspicious == [
      ("kernel as large as a map", "jit(step)/bad", "bf16[8,3,3,4]",
       "size=41x41 stride=2x2 pad=2_2x2_2"),
      ("96 groups", "jit(step)/depthwise", "bf16[8,3,3,4]",
       "size=5x5 pad=2_2x2_2")]
