"""What ganjax knows of the machine: which platform programs are traced for, and what they cost."""
