throw new Error("the app's own start went wrong");
