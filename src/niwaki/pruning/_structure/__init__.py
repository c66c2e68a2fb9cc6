"""What is known about inputs and outputs, brought to the layers between them."""
