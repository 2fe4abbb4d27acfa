"""The engines' names, as a user types them and as records hold them (L3; standard library only)."""

AUTO = "auto"
TORCH_FLOAT32 = "torch-float32"
TORCH_BFLOAT16 = "torch-bfloat16"
OPENVINO_FLOAT32 = "openvino-float32"
OPENVINO_BFLOAT16 = "openvino-bfloat16"

ENGINES = (TORCH_FLOAT32, TORCH_BFLOAT16, OPENVINO_FLOAT32, OPENVINO_BFLOAT16)
OF_OPENVINO = (OPENVINO_FLOAT32, OPENVINO_BFLOAT16)
OF_BFLOAT16 = (TORCH_BFLOAT16, OPENVINO_BFLOAT16)
CHOICES = (AUTO, *ENGINES)
